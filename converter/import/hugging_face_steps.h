// Room: converter/import. The steps of a tokenizer.json around its model: normalizer, pre-tokenizer,
// post-processor.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_STEPS_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_STEPS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// The steps of a part, such as "pre_tokenizer": those of its sequence, or itself; none where it is null.
std::vector<nlohmann::json> HuggingFaceSteps(const nlohmann::json& tokenizer, const char* part);

// What cuts the text of a byte-level BPE into words. Unimplemented: none of ours does the same.
absl::StatusOr<Pretokenizer> HuggingFacePretokenizer(const nlohmann::json& tokenizer);

// The space before a text of SentencePiece's kind: the tables' prefix_* and whether words are cut at spaces.
// Unimplemented for steps that are not understood.
absl::Status TakeHuggingFaceSpaces(const nlohmann::json& tokenizer, TokenizerTables* tables);

// The tables' normalizer: the steps that the host goes through before it encodes a text. Unimplemented: names
// one that is not understood.
absl::Status TakeHuggingFaceNormalizer(const nlohmann::json& tokenizer, TokenizerTables* tables);

// The token that the post-processor's template puts before a text; empty if it puts none.
std::string HuggingFaceTemplateBegin(const nlohmann::json& tokenizer);

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_STEPS_H_
