// Room: converter/signature. A model file becomes a signed one: the tree of digests behind its segments, the
// root and the signature in its head. schemas/FORMAT.md
#ifndef CLLM_CONVERTER_SIGNATURE_SEAL_H_
#define CLLM_CONVERTER_SIGNATURE_SEAL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "converter/import/model_file.h"
#include "converter/signature/key.h"

namespace cllm {

inline constexpr uint32_t kDefaultTreeBlock = 4096;

struct Signer {
  PublicKey key;
  absl::FunctionRef<absl::StatusOr<Signature>(std::string_view message)> sign;
};

// The same model, signed; one that was signed already gets the new signature in place of the old.
// block_bytes: a power of two from 1024 to 65536. Equal models and keys give equal bytes. Errors: those of
// the signer, and of a file of a newer version, which this one would lose parts of.
absl::Status WriteSigned(const ModelFile& model, const Signer& signer, uint32_t block_bytes,
                         const std::string& path);
absl::StatusOr<std::string> SignedToString(const ModelFile& model, const Signer& signer,
                                           uint32_t block_bytes);

// What is wrong with a signed file, in words; nothing for a good one. key: nullptr: the one that the file
// names.
struct SealReport {
  cllm_status status = CLLM_OK;  // of opening it with the key
  PublicKey signer = {};         // that the file names
  uint32_t block_bytes = 0;
  uint64_t blocks = 0;
  uint64_t first_offset = 0;
  std::vector<uint64_t> damaged;  // blocks, at most the first 16
  uint64_t damaged_count = 0;
  bool ok() const { return status == CLLM_OK && damaged_count == 0; }
};
SealReport VerifySeal(const ModelFile& model, const PublicKey* key);

}  // namespace cllm

#endif  // CLLM_CONVERTER_SIGNATURE_SEAL_H_
