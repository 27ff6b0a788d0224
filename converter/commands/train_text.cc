#include "converter/commands/train_text.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "cllm/cllm.h"
#include "converter/commands/files.h"
#include "converter/commands/tokenizer_kinds.h"
#include "converter/export/sha256.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "converter/tokenizer/train.h"
#include "converter/train/documents.h"

namespace cllm {
namespace {

// The documents that training will see, about: a vocabulary should not be fitted to the validation part.
std::vector<std::string_view> TrainingPart(const TrainingText& text, double validation_fraction) {
  std::vector<std::string_view> part;
  auto left = static_cast<uint64_t>(static_cast<double>(text.bytes) * (1 - validation_fraction));
  for (const std::string_view document : text.documents) {
    part.push_back(document.substr(0, left));
    left -= part.back().size();
    if (left == 0) break;
  }
  return part;
}

// A model cannot learn where documents begin and end from a single one, so its vocabulary does without.
void DropBeginAndEnd(TokenizerTables* tables) {
  static_assert(kTrainedBeginToken == 0 && kTrainedEndToken == 1);
  constexpr uint32_t kDropped = 2;
  tables->begin_token = tables->end_token = CLLM_NO_TOKEN;
  tables->pieces.erase(tables->pieces.begin(), tables->pieces.begin() + kDropped);
  if (tables->unknown_token != CLLM_NO_TOKEN) tables->unknown_token -= kDropped;
  if (tables->byte_token_base != CLLM_NO_TOKEN) tables->byte_token_base -= kDropped;
  for (TokenizerTables::Merge& merge : tables->merges) {
    merge = {merge.left - kDropped, merge.right - kDropped, merge.result - kDropped};
  }
}

}  // namespace

std::vector<std::string> TrainingText::Digests() const {
  std::vector<std::string> digests;
  for (const std::string& file : files) digests.push_back(Hexadecimal(Sha256(file)));
  return digests;
}

absl::StatusOr<TrainingText> ReadTrainingText(const TrainCommandOptions& options) {
  TrainingText text;
  for (const std::string& path : options.data) {
    absl::StatusOr<std::string> file = ReadText(path);
    if (!file.ok()) return file.status();
    text.bytes += file->size();
    text.files.push_back(*std::move(file));
  }
  for (const std::string& file : text.files) {
    DocumentSplit split = DocumentSplit::kWhole;
    if (options.documents == "paragraphs") split = DocumentSplit::kParagraphs;
    if (options.documents == "lines") split = DocumentSplit::kLines;
    if (options.documents == "auto" && HasDocumentMarker(file)) split = DocumentSplit::kMarker;
    for (const std::string_view document : SplitDocuments(file, split)) text.documents.push_back(document);
  }
  if (text.documents.empty()) {
    return absl::InvalidArgumentError("--data: there is nothing but empty lines in the text");
  }
  return text;
}

absl::StatusOr<TokenizerTables> MakeTokenizer(const TrainCommandOptions& options, uint32_t vocabulary,
                                              const TrainingText& text) {
  const std::string name = TokenizerName(options);
  const std::optional<TokenizerKind> kind = FindTokenizerKind(name);
  if (!kind) return ReadTokenizerFile(name);
  const bool characters = *kind == TokenizerKind::kCharacters;
  // A character that only the validation part has must be in the vocabulary all the same.
  const std::vector<std::string_view> part =
      characters ? std::vector<std::string_view>(text.files.begin(), text.files.end())
                 : TrainingPart(text, options.validation_fraction);
  absl::StatusOr<TokenizerTables> tables = TrainVocabulary(*kind, vocabulary, part);
  if (!tables.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(characters ? "--tokenizer char" : "--vocab", ": ", tables.status().message()));
  }
  if (text.documents.size() == 1) DropBeginAndEnd(&*tables);
  return tables;
}

}  // namespace cllm
