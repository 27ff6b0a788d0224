// Room: converter/import. How config.json says that queries and keys rotate, as turns a position.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_ROPE_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_ROPE_H_

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// rope_turns and window_rope_turns, after the sizes and switches; and attention_scale, which takes what a
// scaling multiplies queries and keys by. Scalings: linear, llama3, yarn (Peng et al., arXiv 2309.00071) and
// longrope (Ding et al., arXiv 2402.13753), whose factors for short texts are taken, and the context that
// they are for.
absl::Status TakeHuggingFaceRope(const nlohmann::json& config, Architecture* architecture);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_ROPE_H_
