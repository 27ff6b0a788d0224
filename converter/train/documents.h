// Room: converter/train. Training text as one stream of tokens: where one document ends and the next begins.
#ifndef CLLM_CONVERTER_TRAIN_DOCUMENTS_H_
#define CLLM_CONVERTER_TRAIN_DOCUMENTS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "converter/checkpoint/checkpoint.h"

namespace cllm {

enum class DocumentSplit {
  kWhole,       // the text is one document
  kParagraphs,  // blank lines stand between documents
  kLines,       // each line is one
  kMarker,      // lines with kDocumentMarker alone stand between documents, as in the TinyStories data
};

inline constexpr std::string_view kDocumentMarker = "<|endoftext|>";

bool HasDocumentMarker(std::string_view text);

// Views into `text`, in order, none empty. Newlines at both ends of a document are left out, except from a
// whole text, which stays as it is.
std::vector<std::string_view> SplitDocuments(std::string_view text, DocumentSplit split);

// The tokens of all documents, each after the tokenizer's begin token and before its end token where it has
// them. Error: InvalidArgument, a document that cannot be encoded.
absl::StatusOr<std::vector<uint32_t>> EncodeDocuments(const TokenizerTables& tokenizer,
                                                      absl::Span<const std::string_view> documents);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_DOCUMENTS_H_
