// Room: converter/data. The bytes of a text file from its start to its end, unpacked where it is compressed.
#ifndef CLLM_CONVERTER_DATA_BYTE_STREAM_H_
#define CLLM_CONVERTER_DATA_BYTE_STREAM_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace cllm {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Fills at most `capacity` bytes and returns how many there were: 0 at the end. Error: DataLoss, compressed
  // data that is damaged or cut off.
  virtual absl::StatusOr<size_t> Read(char* bytes, size_t capacity) = 0;
};

enum class Compression { kNone, kGzip, kZstd };

// By the first bytes: gzip (RFC 1952) or Zstandard (RFC 8878).
Compression CompressionOf(std::string_view bytes);

// Unpacks `packed`, which must outlive the stream; `path` is for messages. Members and frames may follow one
// another. Error: Unimplemented, this program was built without the library for it.
absl::StatusOr<std::unique_ptr<ByteStream>> Unpack(std::string_view packed, const std::string& path);

}  // namespace cllm

#endif  // CLLM_CONVERTER_DATA_BYTE_STREAM_H_
