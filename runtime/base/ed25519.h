// Room: base. Ed25519 signatures (RFC 8032), checked only: everything in here is public, so that nothing has
// to take the same time for all values. Keys are made and used by the host alone, with libsodium
// (converter/signature). Touches its arguments.
#ifndef CLLM_BASE_ED25519_H_
#define CLLM_BASE_ED25519_H_

#include <cstddef>
#include <cstdint>

namespace cllm {

inline constexpr size_t kPublicKeyBytes = 32;
inline constexpr size_t kSignatureBytes = 64;

// Whether the owner of the key signed these bytes. Strict: the scalar is below the group's order and points
// are encoded in the one canonical way, so that nobody makes a second signature of a first one; no cofactor.
// A key of small order, which every signature would suit, is refused. About 1 KB of stack.
bool CheckEd25519(const uint8_t signature[kSignatureBytes], const uint8_t key[kPublicKeyBytes],
                  const void* message, size_t bytes);

}  // namespace cllm

#endif  // CLLM_BASE_ED25519_H_
