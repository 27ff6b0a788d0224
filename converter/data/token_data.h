// Room: converter/data. A corpus as tokens: in memory, or in a file that is mapped and can be used again.
#ifndef CLLM_CONVERTER_DATA_TOKEN_DATA_H_
#define CLLM_CONVERTER_DATA_TOKEN_DATA_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/data/corpus.h"
#include "converter/data/token_span.h"
#include "converter/import/mapped_file.h"

namespace cllm {

// The tokens of the training documents, then those of the held-out ones, each document after the tokenizer's
// begin token and before its end token where it has them. A token takes 2 bytes, or 4 if the vocabulary has
// more than 65,536.
class TokenData {
 public:
  // path: the file to write, whole or not at all; "": in memory. key: stands for everything that the tokens
  // depend on. Errors: InvalidArgument, a document that cannot be encoded; those of writing.
  static absl::StatusOr<TokenData> Encode(const Corpus& corpus, const TokenizerTables& tokenizer,
                                          const std::string& path, const std::string& key);

  // Errors: NotFound; DataLoss, the file is damaged or was made of something else.
  static absl::StatusOr<TokenData> Open(const std::string& path, const std::string& key);

  const TokenizerTables& tokenizer() const { return tokenizer_; }
  uint64_t documents() const { return documents_; }
  uint64_t text_bytes() const { return text_bytes_; }
  TokenSpan training() const { return {bytes().data(), static_cast<size_t>(training_), width_}; }
  TokenSpan validation() const {
    return {bytes().data() + training_ * width_, static_cast<size_t>(validation_), width_};
  }

 private:
  std::string_view bytes() const { return memory_.empty() ? file_.bytes() : std::string_view(memory_); }
  absl::Status ReadHead(std::string_view head, const std::string& key);
  std::string Head(const std::string& key) const;

  TokenizerTables tokenizer_;
  uint64_t documents_ = 0, text_bytes_ = 0, training_ = 0, validation_ = 0;
  uint32_t width_ = 4;
  std::string memory_;
  MappedFile file_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_TOKEN_DATA_H_
