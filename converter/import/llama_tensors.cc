#include "converter/import/llama_tensors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/tensors.h"

namespace cllm {

const LlamaNames kHuggingFaceNames = {"model.embed_tokens.weight",
                                      "model.norm.weight",
                                      "lm_head.weight",
                                      "model.layers.",
                                      "input_layernorm.weight",
                                      "self_attn.q_proj.weight",
                                      "self_attn.k_proj.weight",
                                      "self_attn.v_proj.weight",
                                      "self_attn.o_proj.weight",
                                      "post_attention_layernorm.weight",
                                      "mlp.gate_proj.weight",
                                      "mlp.up_proj.weight",
                                      "mlp.down_proj.weight"};

std::map<std::string, LlamaPart> LlamaParts(const Architecture& a, const LlamaNames& names) {
  const uint32_t queries = a.heads * a.head_size, keys = a.kv_heads * a.head_size;
  std::map<std::string, LlamaPart> parts = {
      {names.embedding, {{Role::kTokenEmbedding, 0}, 0, a.vocabulary_size}},
      {names.final_norm, {{Role::kFinalNorm, 0}, 0, 1}}};
  if (!a.tied_head) parts[names.head] = {{Role::kHead, 0}, 0, a.vocabulary_size};
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    const TensorKey attention(Role::kQueryKeyValue, layer), gate_up(Role::kGateUp, layer);
    const std::pair<const char*, LlamaPart> of_layer[] = {
        {names.attention_norm, {{Role::kAttentionNorm, layer}, 0, 1}},
        {names.query, {attention, 0, queries}},
        {names.key, {attention, queries, keys}},
        {names.value, {attention, queries + keys, keys}},
        {names.attention_output, {{Role::kAttentionOutput, layer}, 0, a.width}},
        {names.feed_forward_norm, {{Role::kFeedForwardNorm, layer}, 0, 1}},
        {names.gate, {gate_up, 0, a.hidden}},
        {names.up, {gate_up, a.hidden, a.hidden}},
        {names.down, {{Role::kDown, layer}, 0, a.width}}};
    for (const auto& [name, part] : of_layer) parts[absl::StrCat(names.layer, layer, ".", name)] = part;
  }
  return parts;
}

namespace {

// Where row `row` of all, or an element of a vector, is there.
uint64_t SourceOf(const LlamaPart& part, uint64_t row, uint64_t rows) {
  const uint64_t size = part.interleaved;
  if (size == 0) return row;
  const uint64_t kind = row / (rows / 3), in_kind = row % (rows / 3);
  return (in_kind / size * 3 + kind) * size + in_kind % size;
}

}  // namespace

absl::Status PlaceTensor(const std::string& name, const LlamaPart& part, uint64_t rows, uint64_t columns,
                         const std::vector<float>& values, Checkpoint* checkpoint) {
  const auto [all_rows, all_columns] = ShapeOf(ToConfig(checkpoint->architecture), part.key.first);
  const uint64_t part_columns = part.columns != 0 ? part.columns : all_columns;
  const uint64_t wanted_rows = part.transposed ? part_columns : part.rows;
  const uint64_t wanted_columns = part.transposed ? part.rows : part_columns;
  if (rows != wanted_rows || columns != wanted_columns) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is ", rows, " x ", columns,
                                                   "; its configuration calls for ", wanted_rows, " x ",
                                                   wanted_columns));
  }
  FloatTensor& to = checkpoint->tensors[part.key];
  to.rows = all_rows;
  to.columns = all_columns;
  to.values.resize(uint64_t{all_rows} * all_columns);
  for (uint64_t row = 0; row < part.rows; ++row) {
    float* out = &to.values[(part.first + row) * all_columns + part.first_column];
    for (uint64_t k = 0; k < part_columns; ++k) {
      const bool vector = part.rows == 1;
      const uint64_t r = vector ? row : SourceOf(part, row, part.rows);
      const uint64_t c = vector ? SourceOf(part, k, part_columns) : k;
      out[k] = values[part.transposed ? c * part.rows + r : r * part_columns + c] + part.added;
    }
  }
  return absl::OkStatus();
}

}  // namespace cllm
