// Signatures: RFC 8032's examples, anything changed, and what only a careless check would let pass.
#include "base/ed25519.h"

#include <random>
#include <string>

#include "absl/strings/escaping.h"
#include "converter/signature/key.h"
#include "doctest/doctest.h"

namespace cllm {
namespace {

struct Example {
  const char *seed, *key, *message, *signature;
};

// RFC 8032, section 7.1: tests 1, 2, 3 and SHA(abc).
const Example kExamples[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
     "454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
     "3dca179c138ac17ad9bef1177331a704"},
};

std::string Bytes(const std::string& digits) { return absl::HexStringToBytes(digits); }

bool Check(const std::string& signature, const std::string& key, const std::string& message) {
  return CheckEd25519(reinterpret_cast<const uint8_t*>(signature.data()),
                      reinterpret_cast<const uint8_t*>(key.data()), message.data(), message.size());
}

TEST_CASE("RFC 8032's examples, and each with a bit changed anywhere") {
  for (const Example& e : kExamples) {
    const std::string key = Bytes(e.key), message = Bytes(e.message), signature = Bytes(e.signature);
    CHECK(Check(signature, key, message));
    CHECK_FALSE(Check(signature, key, message + std::string(1, '\0')));
    int bit = 0;
    for (const std::string* part : {&signature, &key, &message}) {
      for (size_t at = 0; at < part->size(); ++at) {
        std::string changed = *part;
        changed[at] = static_cast<char>(changed[at] ^ 1 << (bit++ % 8));
        const bool passes = Check(part == &signature ? changed : signature, part == &key ? changed : key,
                                  part == &message ? changed : message);
        CHECK_FALSE(passes);
      }
    }
  }
}

TEST_CASE("a second form of a good signature, and keys that suit any signature, are refused") {
  const Example& e = kExamples[1];
  const std::string order = Bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  std::string changed = Bytes(e.signature);
  int carry = 0;
  for (size_t i = 0; i < 32; ++i) {  // s plus the order of the base point is the same modulo it
    carry += static_cast<uint8_t>(changed[32 + i]) + static_cast<uint8_t>(order[i]);
    changed[32 + i] = static_cast<char>(carry);
    carry >>= 8;
  }
  CHECK_FALSE(Check(changed, Bytes(e.key), Bytes(e.message)));

  // With the neutral point as the key, s = 0 and R neutral satisfy the equation for every message.
  std::string neutral(32, '\0');
  neutral[0] = 1;
  CHECK_FALSE(Check(neutral + std::string(32, '\0'), neutral, "anything"));
  // The points of orders 2 and 4, p + 1 for 1, and a y that no point has.
  for (const char* key : {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "0000000000000000000000000000000000000000000000000000000000000000",
                          "0000000000000000000000000000000000000000000000000000000000000080",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                          "0200000000000000000000000000000000000000000000000000000000000000"}) {
    CAPTURE(key);
    CHECK_FALSE(Check(neutral + std::string(32, '\0'), Bytes(key), "anything"));
  }
}

#ifdef CLLM_HAS_SODIUM
TEST_CASE("whatever libsodium signs passes, for random keys and messages of any length") {
  std::mt19937 random(3);
  for (size_t length = 0; length < 140; ++length) {
    std::array<uint8_t, 32> seed;
    for (uint8_t& byte : seed) byte = static_cast<uint8_t>(random());
    std::string message(length, '\0');
    for (char& c : message) c = static_cast<char>(random());
    const absl::StatusOr<PrivateKey> key = PrivateKey::FromSeed(seed);
    REQUIRE(key.ok());
    absl::StatusOr<Signature> signature = key->Sign(message);
    REQUIRE(signature.ok());
    CHECK(CheckEd25519(signature->data(), key->public_key().data(), message.data(), message.size()));
    (*signature)[length % 64] ^= 0x10;
    CHECK_FALSE(CheckEd25519(signature->data(), key->public_key().data(), message.data(), message.size()));
  }
  for (const Example& e : kExamples) {
    std::array<uint8_t, 32> seed;
    std::copy_n(Bytes(e.seed).data(), seed.size(), seed.data());
    const absl::StatusOr<PrivateKey> key = PrivateKey::FromSeed(seed);
    const absl::StatusOr<Signature> signature = key->Sign(Bytes(e.message));
    const std::string expected = Bytes(e.signature);
    const bool same = std::equal(signature->begin(), signature->end(), expected.begin(),
                                 [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
    CHECK(same);
  }
}
#endif

}  // namespace
}  // namespace cllm
