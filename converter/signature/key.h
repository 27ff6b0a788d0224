// Room: converter/signature. Ed25519 keys (RFC 8032) and the files that hold them, by libsodium.
//
// A key file is two lines of text: "cllm ed25519 private key" or "cllm ed25519 public key", then 64
// hexadecimal digits, the 32 bytes of the private key's seed or of the public key.
#ifndef CLLM_CONVERTER_SIGNATURE_KEY_H_
#define CLLM_CONVERTER_SIGNATURE_KEY_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace cllm {

using PublicKey = std::array<uint8_t, 32>;
using Signature = std::array<uint8_t, 64>;

// Wiped when it goes.
class PrivateKey {
 public:
  // A new one, from the system's randomness. Errors: Unimplemented in a build without libsodium, as Sign.
  static absl::StatusOr<PrivateKey> Generate();
  static absl::StatusOr<PrivateKey> FromSeed(const std::array<uint8_t, 32>& seed);

  // Refuses a file that others may read. Errors name the path and what helps.
  static absl::StatusOr<PrivateKey> Read(const std::string& path);

  PrivateKey(const PrivateKey&) = default;
  PrivateKey& operator=(const PrivateKey&) = default;
  ~PrivateKey();

  // A file that only its owner may read or write. Errors: there is such a file already.
  absl::Status Write(const std::string& path) const;

  const PublicKey& public_key() const { return public_key_; }
  absl::StatusOr<Signature> Sign(std::string_view message) const;

 private:
  PrivateKey() = default;

  std::array<uint8_t, 32> seed_ = {};
  PublicKey public_key_ = {};
};

absl::Status WritePublicKey(const PublicKey& key, const std::string& path);

// From such a file, or 64 hexadecimal digits themselves.
absl::StatusOr<PublicKey> ReadPublicKey(const std::string& path_or_digits);

}  // namespace cllm

#endif  // CLLM_CONVERTER_SIGNATURE_KEY_H_
