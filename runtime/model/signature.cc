#include "model/signature.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "base/sha256.h"
#include "model/head.h"

namespace cllm {
namespace {

constexpr char kPurpose[] = "CLLM signature 1";
static_assert(sizeof(kPurpose) - 1 + sizeof(uint64_t) + kSha256Bytes == kSignedBytes);

const schema::Model& RootOf(const Model& model) { return *static_cast<const schema::Model*>(model.head); }

const uint8_t* SignatureIn(const schema::Model& root) {
  const auto* signature = root.signature();
  return signature != nullptr && signature->size() == kSignatureBytes ? signature->data() : nullptr;
}

Status CheckSignature(const uint8_t* file, const Head& head, const uint8_t key[kPublicKeyBytes]) {
  const schema::Model& root = *head.root;
  if (root.seal() == nullptr && root.signature() == nullptr) return CLLM_SIGNATURE_MISSING;
  const uint8_t* signature = SignatureIn(root);
  if (root.seal() == nullptr || signature == nullptr) return CLLM_SIGNATURE_STRIPPED;
  if (std::memcmp(root.seal()->signer()->data(), key, kPublicKeyBytes) != 0) return CLLM_SIGNATURE_KEY;
  uint8_t message[kSignedBytes];
  SignedMessage(file, head.bytes, static_cast<uint64_t>(signature - file), message);
  return CheckEd25519(signature, key, message, sizeof(message)) ? CLLM_OK : CLLM_SIGNATURE_WRONG;
}

}  // namespace

void SignedMessage(const uint8_t* head, uint64_t head_bytes, uint64_t signature_offset,
                   uint8_t message[kSignedBytes]) {
  const uint8_t zeros[kSignatureBytes] = {};
  const auto offset = static_cast<size_t>(signature_offset);
  Sha256Hasher hasher;
  hasher.Add(head, offset);
  hasher.Add(zeros, sizeof(zeros));
  hasher.Add(head + offset + sizeof(zeros), static_cast<size_t>(head_bytes) - offset - sizeof(zeros));
  std::memcpy(message, kPurpose, sizeof(kPurpose) - 1);
  std::memcpy(message + sizeof(kPurpose) - 1, &signature_offset, sizeof(signature_offset));
  hasher.Finish(message + kSignedBytes - kSha256Bytes);
}

Status OpenSigned(const void* bytes, uint64_t size, const uint8_t key[kPublicKeyBytes], Model* model) {
  if (!kHasSignatures) return CLLM_UNSUPPORTED_SIGNATURE;
  if (bytes == nullptr || key == nullptr || model == nullptr) return CLLM_NULL_ARGUMENT;
  if (reinterpret_cast<uintptr_t>(bytes) % kAlignment != 0) return CLLM_MISALIGNED;
  const auto* file = static_cast<const uint8_t*>(bytes);
  Head head;
  CLLM_RETURN_IF_ERROR(VerifyHead(file, size, &head));
  CLLM_RETURN_IF_ERROR(CheckSignature(file, head, key));
  Model opened;
  BlockTree tree;
  CLLM_RETURN_IF_ERROR(OpenModel(bytes, size, &opened));
  CLLM_RETURN_IF_ERROR(ReadBlockTree(opened, &tree));
  *model = opened;
  return CLLM_OK;
}

Status ReadBlockTree(const Model& model, BlockTree* tree) {
  if (!kHasSignatures) return CLLM_UNSUPPORTED_SIGNATURE;
  const schema::Seal* seal = RootOf(model).seal();
  if (seal == nullptr) return CLLM_SIGNATURE_MISSING;
  const uint64_t head_bytes = HeadBytes(model), start = RoundUp(head_bytes, kAlignment);
  const uint64_t end = seal->tree_offset(), block = seal->block_bytes();
  const bool fits = block >= kLeastTreeBlock && block <= kMostTreeBlock && (block & (block - 1)) == 0 &&
                    end % kAlignment == 0 && end > start && end <= model.size &&
                    seal->tree_bytes() == model.size - end;
  if (!fits) return CLLM_SIGNATURE_BLOCKS;
  for (uint64_t i = head_bytes; i < start; ++i) {
    if (model.bytes[static_cast<size_t>(i)] != 0) return CLLM_SIGNATURE_BLOCKS;
  }
  *tree = {model.bytes + static_cast<size_t>(start), end - start, block,
           model.bytes + static_cast<size_t>(end), seal->root().sha256()->data()};
  return TreeBytes(tree->blocks()) == seal->tree_bytes() ? CLLM_OK : CLLM_SIGNATURE_BLOCKS;
}

const uint8_t* SignerOf(const Model& model) {
  const schema::Seal* seal = RootOf(model).seal();
  return seal != nullptr ? seal->signer()->data() : nullptr;
}

const uint8_t* SignatureOf(const Model& model) { return SignatureIn(RootOf(model)); }

}  // namespace cllm
