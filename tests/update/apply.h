// Applies a patch that comes in pieces.
#ifndef CLLM_TESTS_UPDATE_APPLY_H_
#define CLLM_TESTS_UPDATE_APPLY_H_

#include <algorithm>
#include <string>

#include "converter/export/sha256.h"
#include "support/file_editor.h"
#include "update/patch.h"

namespace cllm::testing {

inline Status Apply(const std::string& before, const std::string& patch, size_t piece, std::string* made) {
  made->clear();
  AlignedBytes old_file(before);  // ends where its bytes end, for the address sanitizer
  PatchEnds ends = {old_file.data(), before.size(), {}, made, nullptr, nullptr};
  std::memcpy(ends.old_digest, Sha256(before).data(), kSha256Bytes);
  ends.start = [](void*, const PatchHead& head) {
    return head.new_bytes <= 1u << 20 ? CLLM_OK : CLLM_STORE_RANGE;
  };
  ends.put = [](void* self, const uint8_t* bytes, size_t count) {
    static_cast<std::string*>(self)->append(reinterpret_cast<const char*>(bytes), count);
    return CLLM_OK;
  };
  Patcher patcher;
  patcher.Begin(ends);
  Status status = CLLM_OK;
  for (size_t at = 0; at < patch.size() && status == CLLM_OK; at += piece) {
    AlignedBytes part(std::string_view(patch).substr(at, piece));
    status = patcher.Write(part.data(), part.size());
  }
  return status == CLLM_OK ? patcher.Finish() : status;
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_UPDATE_APPLY_H_
