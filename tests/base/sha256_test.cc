#include "base/sha256.h"

#include <string>

#include "converter/export/sha256.h"
#include "doctest/doctest.h"

namespace cllm {
namespace {

std::string Digest(const std::string& bytes, size_t split) {
  Sha256Hasher hasher;
  for (size_t at = 0; at < bytes.size(); at += split) {
    hasher.Add(bytes.data() + at, std::min(split, bytes.size() - at));
  }
  Sha256Digest digest;
  hasher.Finish(digest.data());
  return Hexadecimal(digest);
}

TEST_CASE("the standard's examples") {
  CHECK(Digest("", 1) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(Digest("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(Digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(Digest(std::string(1000000, 'a'), 997) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("any length in pieces of any size, as libmd has it") {
  std::string bytes;
  for (size_t length = 0; length < 200; ++length) {
    for (const size_t split : {1, 7, 63, 64, 65, 200}) {
      CHECK(Digest(bytes, split) == Hexadecimal(Sha256(bytes)));
    }
    bytes += static_cast<char>(length * 37);
  }
}

}  // namespace
}  // namespace cllm
