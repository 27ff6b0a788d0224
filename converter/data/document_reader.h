// Room: converter/data. The documents of one text file in order, in parts that fit in memory.
#ifndef CLLM_CONVERTER_DATA_DOCUMENT_READER_H_
#define CLLM_CONVERTER_DATA_DOCUMENT_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "converter/data/byte_stream.h"
#include "converter/data/documents.h"
#include "converter/import/mapped_file.h"

namespace cllm {

// Text of one document, all of it or a part; empty only at the end of one that came in parts.
struct DocumentPart {
  std::string_view text;  // until the next call of Next
  bool begins = false;
  bool ends = false;
};

class DocumentReader {
 public:
  // Documents longer than this come in parts where they may be cut.
  static constexpr size_t kPartBytes = size_t{1} << 20;

  // may_cut: a long document may be cut between two words (as the `words` pretokenizer cuts them). The file
  // is mapped, or unpacked a piece at a time: memory is about the longest part's. Errors name the file.
  static absl::StatusOr<DocumentReader> Open(const std::string& path, DocumentSplit split, bool may_cut,
                                             size_t part_bytes = kPartBytes);

  // False at the end. Parts are those of SplitDocuments over the whole text, cut where they are long.
  absl::StatusOr<bool> Next(DocumentPart* part);

  // Calls visit for each part that is left, until there is an error.
  absl::Status ForEach(const std::function<absl::Status(const DocumentPart&)>& visit);

 private:
  DocumentReader(MappedFile file, DocumentSplit split, bool may_cut, size_t part_bytes)
      : file_(std::move(file)), split_(split), may_cut_(may_cut), part_bytes_(part_bytes) {}

  absl::Status FindEnd(size_t* end, size_t* next, bool* ends);
  absl::Status Refill();
  size_t Cut() const;

  MappedFile file_;
  DocumentSplit split_;
  bool may_cut_;
  size_t part_bytes_;
  std::unique_ptr<ByteStream> unpacked_;  // or nothing: window_ is the file
  std::string buffer_;                    // what window_ views of unpacked text
  std::string_view window_;               // what has not been given out yet
  bool complete_ = true;                  // window_ reaches the end of the text
  size_t scanned_ = 0;                    // of window_, without finding the document's end
  bool inside_ = false;                   // a document that has begun
};

// Whether the file has a line that is kDocumentMarker alone.
absl::StatusOr<bool> FileHasDocumentMarker(const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_DOCUMENT_READER_H_
