// Room: converter/import. Folders of transformers: config.json, safetensors, tokenizer.json.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_H_

#include <string>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// The families of hugging_face_families.h, the rotations of hugging_face_rope.h;
// weights F32, F16 or BF16 in model.safetensors or in the shards that model.safetensors.index.json names. The
// tokenizer where ImportHuggingFaceTokenizer takes it; otherwise the checkpoint has none and says why.
// Errors name the file and what is missing or not supported.
absl::StatusOr<Checkpoint> ImportHuggingFace(const std::string& folder);

// The same, but the tensors are read when they are wanted: a model may be larger than memory.
absl::StatusOr<Checkpoint> StreamHuggingFace(const std::string& folder);

// tokenizer.json, and the special tokens of tokenizer_config.json (null if there is no such file): byte-level
// BPE whose words are cut by a known pattern, and BPE with byte fallback, as SentencePiece's vocabularies
// have it. Unimplemented, with the reason, for tokenizers of other kinds; other errors name what is wrong.
absl::StatusOr<TokenizerTables> ImportHuggingFaceTokenizer(const nlohmann::json& tokenizer,
                                                           const nlohmann::json& tokenizer_config,
                                                           uint32_t vocabulary_size);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_H_
