#include "converter/data/byte_stream.h"

#include <algorithm>
#include <climits>
#include <cstdint>

#include "absl/strings/str_cat.h"

#ifdef CLLM_HAS_ZLIB
#include <zlib.h>
#endif
#ifdef CLLM_HAS_ZSTD
#include <zstd.h>
#endif

namespace cllm {
namespace {

[[maybe_unused]] absl::Status Damaged(const std::string& path, const char* what) {
  return absl::DataLossError(absl::StrCat(path, ": the compressed data is ", what, "; get the file again"));
}

#ifdef CLLM_HAS_ZLIB
class GzipStream : public ByteStream {
 public:
  GzipStream(std::string_view packed, std::string path) : packed_(packed), path_(std::move(path)) {
    inflateInit2(&state_, 16 + MAX_WBITS);  // 16: gzip's header and checksum
  }
  ~GzipStream() override { inflateEnd(&state_); }

  absl::StatusOr<size_t> Read(char* bytes, size_t capacity) override {
    state_.next_out = reinterpret_cast<Bytef*>(bytes);
    state_.avail_out = static_cast<uInt>(std::min<size_t>(capacity, UINT_MAX));
    const size_t wanted = state_.avail_out;
    while (state_.avail_out > 0 && !(ended_ && packed_.empty())) {
      if (ended_) {  // another member
        inflateReset(&state_);
        ended_ = false;
      }
      state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed_.data()));
      state_.avail_in = static_cast<uInt>(std::min<size_t>(packed_.size(), UINT_MAX));
      const size_t given = state_.avail_in;
      const int result = inflate(&state_, Z_NO_FLUSH);
      packed_.remove_prefix(given - state_.avail_in);
      ended_ = result == Z_STREAM_END;
      if (result == Z_BUF_ERROR) return Damaged(path_, "cut off");
      if (result != Z_OK && !ended_) return Damaged(path_, "damaged");
    }
    return wanted - state_.avail_out;
  }

 private:
  z_stream state_ = {};
  std::string_view packed_;
  std::string path_;
  bool ended_ = false;
};
#endif

#ifdef CLLM_HAS_ZSTD
class ZstdStream : public ByteStream {
 public:
  ZstdStream(std::string_view packed, std::string path)
      : state_(ZSTD_createDStream()), packed_(packed), path_(std::move(path)) {}
  ~ZstdStream() override { ZSTD_freeDStream(state_); }

  absl::StatusOr<size_t> Read(char* bytes, size_t capacity) override {
    ZSTD_outBuffer out = {bytes, capacity, 0};
    while (out.pos < out.size && !(packed_.empty() && left_ == 0)) {
      ZSTD_inBuffer in = {packed_.data(), packed_.size(), 0};
      const size_t before = out.pos;
      left_ = ZSTD_decompressStream(state_, &out, &in);
      if (ZSTD_isError(left_)) return Damaged(path_, "damaged");
      packed_.remove_prefix(in.pos);
      if (in.pos == 0 && out.pos == before && left_ != 0) return Damaged(path_, "cut off");
    }
    return out.pos;
  }

 private:
  ZSTD_DStream* state_;
  std::string_view packed_;
  std::string path_;
  size_t left_ = 0;  // 0: a frame has ended
};
#endif

[[maybe_unused]] absl::Status BuiltWithout(const std::string& path, const char* format, const char* library,
                                           const char* program) {
  return absl::UnimplementedError(absl::StrCat(path, ": is compressed with ", format,
                                               ", and this cllm was built without ", library,
                                               ". Unpack it first with ", program));
}

}  // namespace

Compression CompressionOf(std::string_view bytes) {
  if (bytes.substr(0, 2) == "\x1F\x8B") return Compression::kGzip;
  if (bytes.substr(0, 4) == "\x28\xB5\x2F\xFD") return Compression::kZstd;
  return Compression::kNone;
}

absl::StatusOr<std::unique_ptr<ByteStream>> Unpack(std::string_view packed, const std::string& path) {
  if (CompressionOf(packed) == Compression::kGzip) {
#ifdef CLLM_HAS_ZLIB
    return std::make_unique<GzipStream>(packed, path);
#else
    return BuiltWithout(path, "gzip", "zlib", "gunzip");
#endif
  }
#ifdef CLLM_HAS_ZSTD
  return std::make_unique<ZstdStream>(packed, path);
#else
  return BuiltWithout(path, "Zstandard", "libzstd", "unzstd");
#endif
}

}  // namespace cllm
