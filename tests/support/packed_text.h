// Text packed by gzip and Zstandard, for tests; nothing where the build has no library for it.
#ifndef CLLM_TESTS_SUPPORT_PACKED_TEXT_H_
#define CLLM_TESTS_SUPPORT_PACKED_TEXT_H_

#include <optional>
#include <string>

#ifdef CLLM_HAS_ZLIB
#include <zlib.h>
#endif
#ifdef CLLM_HAS_ZSTD
#include <zstd.h>
#endif

namespace cllm::testing {

inline std::optional<std::string> Gzipped([[maybe_unused]] const std::string& text) {
#ifdef CLLM_HAS_ZLIB
  z_stream state = {};
  deflateInit2(&state, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&state, text.size()), '\0');
  state.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  state.avail_in = static_cast<uInt>(text.size());
  state.next_out = reinterpret_cast<Bytef*>(packed.data());
  state.avail_out = static_cast<uInt>(packed.size());
  deflate(&state, Z_FINISH);
  packed.resize(state.total_out);
  deflateEnd(&state);
  return packed;
#else
  return std::nullopt;
#endif
}

inline std::optional<std::string> ZstdPacked([[maybe_unused]] const std::string& text) {
#ifdef CLLM_HAS_ZSTD
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
#else
  return std::nullopt;
#endif
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_PACKED_TEXT_H_
