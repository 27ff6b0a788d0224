#include "fuzz/patch_fuzzer.h"

#include <cstring>

#include "converter/update/diff.h"
#include "fuzz/small_session.h"
#include "update/apply.h"

namespace cllm::testing {
namespace {

const std::string& OldFile() {
  static const auto* const file =
      new std::string(SmallFile(Dtype::kI8, TokenizerKind::kCharacters).substr(0, 9000));
  return *file;
}

}  // namespace

const std::string& GoodPatch() {
  static const auto* const patch = [] {
    std::string after = OldFile().substr(2000) + "a few bytes that are new" + OldFile().substr(0, 3000);
    for (size_t at = 100; at < 4000; at += at / 7) after[at] = static_cast<char>(after[at] + 1);
    return new std::string(MakePatch(OldFile(), after));
  }();
  return *patch;
}

Status ApplyToOld(const uint8_t* data, size_t size) {
  const std::string patch(reinterpret_cast<const char*>(data), size);
  std::string made;
  const Status status = Apply(OldFile(), patch, 61, &made);
  if (status != CLLM_OK) return status;
  PatchHead head;
  std::memcpy(&head, data, sizeof(head));
  Require(made.size() == head.new_bytes, "a patch gives as many bytes as it says");
  Require(std::memcmp(Sha256(made).data(), head.new_digest, kSha256Bytes) == 0,
          "and of the digest that it says");
  return CLLM_OK;
}

}  // namespace cllm::testing
