#include "base/sha512.h"

#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"
#include "doctest/doctest.h"

namespace cllm {
namespace {

std::string Digest(const std::string& bytes, size_t split) {
  Sha512Hasher hasher;
  for (size_t at = 0; at < bytes.size(); at += split) {
    hasher.Add(bytes.data() + at, std::min(split, bytes.size() - at));
  }
  uint8_t digest[kSha512Bytes];
  hasher.Finish(digest);
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest), sizeof(digest)});
}

TEST_CASE("the standard's examples, in pieces of any size") {
  for (const size_t split : {1, 7, 111, 128, 4096}) {
    CHECK(Digest("", split) ==
          "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
    CHECK(Digest("abc", split) ==
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    CHECK(Digest("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                 "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                 split) ==
          "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
          "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909");
  }
  CHECK(Digest(std::string(1000000, 'a'), 997) ==
        "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
        "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
}

}  // namespace
}  // namespace cllm
