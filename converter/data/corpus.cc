#include "converter/data/corpus.h"

#include <cmath>

#include "converter/tokenizer/utf8.h"

namespace cllm {

absl::StatusOr<Corpus> Corpus::Scan(const std::vector<std::string>& files, const DocumentSplit* split,
                                    double validation_fraction) {
  Corpus corpus;
  corpus.validation_fraction_ = validation_fraction;
  for (const std::string& path : files) {
    File file = {path, DocumentSplit::kWhole};
    if (split != nullptr) {
      file.split = *split;
    } else {
      const absl::StatusOr<bool> marker = FileHasDocumentMarker(path);
      if (!marker.ok()) return marker.status();
      if (*marker) file.split = DocumentSplit::kMarker;
    }
    corpus.files_.push_back(file);
    absl::StatusOr<DocumentReader> reader = DocumentReader::Open(path, file.split, true);
    if (!reader.ok()) return reader.status();
    absl::Status status = reader->ForEach([&](const DocumentPart& part) {
      corpus.documents_ += part.begins;
      corpus.bytes_ += part.text.size();
      if (corpus.not_utf8_.empty() && InvalidUtf8At(part.text) != std::string_view::npos) {
        corpus.not_utf8_ = path;
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  if (corpus.documents_ == 0) {
    return absl::InvalidArgumentError("--data: there is nothing but empty lines in the text");
  }
  return corpus;
}

bool Corpus::splits_by_document() const {
  return std::floor(static_cast<double>(documents_) * validation_fraction_) >= 1 && documents_ > 1;
}

bool Corpus::HoldsOut(uint64_t document) const {
  const double before = std::floor(static_cast<double>(document) * validation_fraction_);
  const double after = std::floor(static_cast<double>(document + 1) * validation_fraction_);
  return splits_by_document() && after > before;
}

absl::Status Corpus::ForEach(CorpusPart wanted, bool may_cut, const Visit& visit) const {
  uint64_t begun = 0;
  for (const File& file : files_) {
    absl::StatusOr<DocumentReader> reader = DocumentReader::Open(
        file.path, wanted == CorpusPart::kFiles ? DocumentSplit::kWhole : file.split, may_cut);
    if (!reader.ok()) return reader.status();
    absl::Status status = reader->ForEach([&](const DocumentPart& part) {
      begun += part.begins;
      const bool held_out = HoldsOut(begun - 1);
      if (wanted != CorpusPart::kFiles && held_out != (wanted == CorpusPart::kValidation))
        return absl::OkStatus();
      return visit(part);
    });
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace cllm
