#include "converter/export/sha256.h"

#include <sys/types.h>

#include <sha2.h>

#include <new>

#include "absl/strings/escaping.h"

namespace cllm {

Sha256Digest Sha256(std::string_view bytes) {
  SHA2_CTX context;
  SHA256Init(&context);
  SHA256Update(&context, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  Sha256Digest digest;
  SHA256Final(digest.data(), &context);
  return digest;
}

Sha256Stream::Sha256Stream() {
  static_assert(sizeof(SHA2_CTX) <= sizeof(context_) && alignof(SHA2_CTX) <= 8);
  SHA256Init(new (context_) SHA2_CTX);
}

void Sha256Stream::Add(std::string_view bytes) {
  SHA256Update(reinterpret_cast<SHA2_CTX*>(context_), reinterpret_cast<const uint8_t*>(bytes.data()),
               bytes.size());
}

Sha256Digest Sha256Stream::Finish() {
  Sha256Digest digest;
  SHA256Final(digest.data(), reinterpret_cast<SHA2_CTX*>(context_));
  return digest;
}

std::string Hexadecimal(const Sha256Digest& digest) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace cllm
