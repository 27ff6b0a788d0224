// Room: converter/data. Many text files as one sequence of documents, some of them held out for validation.
#ifndef CLLM_CONVERTER_DATA_CORPUS_H_
#define CLLM_CONVERTER_DATA_CORPUS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/data/document_reader.h"

namespace cllm {

enum class CorpusPart {
  kFiles,  // each file as one document, with what stands between the documents in it
  kTraining,
  kValidation,
};

class Corpus {
 public:
  // Reads all files once. split: how to cut a file into documents; nullptr: at marker
  // lines in a file that has them, otherwise not at all. Errors: a file that cannot be read, no text at all.
  static absl::StatusOr<Corpus> Scan(const std::vector<std::string>& files, const DocumentSplit* split,
                                     double validation_fraction);

  uint64_t documents() const { return documents_; }
  uint64_t bytes() const { return bytes_; }  // of the documents
  // The first file that is not all UTF-8; "" if every one is. Such bytes are taken as they are.
  const std::string& not_utf8() const { return not_utf8_; }

  // Documents are held out evenly: every tenth for a fraction of 0.1. With fewer documents than one in a
  // fraction none is, and the last part of the tokens has to serve.
  bool HoldsOut(uint64_t document) const;
  bool splits_by_document() const;

  // Calls visit for all documents of the part in order, in parts where may_cut (DocumentReader). Ends early
  // with the first error.
  using Visit = std::function<absl::Status(const DocumentPart&)>;
  absl::Status ForEach(CorpusPart part, bool may_cut, const Visit& visit) const;

 private:
  struct File {
    std::string path;
    DocumentSplit split;
  };
  std::vector<File> files_;
  double validation_fraction_ = 0;
  uint64_t documents_ = 0, bytes_ = 0;
  std::string not_utf8_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_CORPUS_H_
