// Room: model. Who made a file, and whether its bytes are still theirs: the signature of the head, and the
// tree of digests over all that follows. Reads file bytes. schemas/FORMAT.md
#ifndef CLLM_MODEL_SIGNATURE_H_
#define CLLM_MODEL_SIGNATURE_H_

#include <cstddef>
#include <cstdint>

#include "base/block_tree.h"
#include "base/ed25519.h"
#include "base/status.h"
#include "model/model.h"

namespace cllm {

// What an owner's key signs: a name for the purpose, where the signature lies in the head, and the SHA-256 of
// the head with zeros there.
inline constexpr size_t kSignedBytes = 16 + 8 + kSha256Bytes;
void SignedMessage(const uint8_t* head, uint64_t head_bytes, uint64_t signature_offset,
                   uint8_t message[kSignedBytes]);

// OpenModel of a file whose head the owner of the key signed; what the head names in the file is checked by
// VerifyBlock. The signature comes before all else but the head's own shape.
// Errors: CLLM_SIGNATURE_*, CLLM_UNSUPPORTED_SIGNATURE, those of OpenModel.
Status OpenSigned(const void* bytes, uint64_t size, const uint8_t key[kPublicKeyBytes], Model* model);

// The tree of a model that has one, whoever signed it. Errors: CLLM_SIGNATURE_MISSING, CLLM_SIGNATURE_BLOCKS.
Status ReadBlockTree(const Model& model, BlockTree* tree);

// Ed25519 public key that the head says signed it, 32 bytes; or nullptr. Nobody's word but the head's.
const uint8_t* SignerOf(const Model& model);

// 64 bytes within the head; or nullptr.
const uint8_t* SignatureOf(const Model& model);

}  // namespace cllm

#endif  // CLLM_MODEL_SIGNATURE_H_
