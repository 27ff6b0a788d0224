// Room: converter/data. Training text as one stream of tokens: where one document ends and the next begins.
#ifndef CLLM_CONVERTER_DATA_DOCUMENTS_H_
#define CLLM_CONVERTER_DATA_DOCUMENTS_H_

#include <string_view>
#include <vector>

namespace cllm {

enum class DocumentSplit {
  kWhole,       // the text is one document
  kParagraphs,  // blank lines stand between documents
  kLines,       // each line is one
  kMarker,      // lines with kDocumentMarker alone stand between documents, as in the TinyStories data
};

inline constexpr std::string_view kDocumentMarker = "<|endoftext|>";

// Whether a line, its newline left out, stands between documents. Not for kWhole.
bool SeparatesDocuments(std::string_view line, DocumentSplit split);

// The text without the newlines before it and after it, as asked.
std::string_view WithoutNewlines(std::string_view text, bool before, bool after);

// Views into `text`, in order, none empty. Newlines at both ends of a document are left out, except from a
// whole text, which stays as it is.
std::vector<std::string_view> SplitDocuments(std::string_view text, DocumentSplit split);

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_DOCUMENTS_H_
