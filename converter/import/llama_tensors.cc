#include "converter/import/llama_tensors.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "converter/import/mapped_file.h"
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

// The part as the checkpoint has it, [rows][columns], and as the format has it.
struct PartShape {
  uint64_t rows, columns;  // here
  uint64_t all_columns;    // of the tensor here
  uint64_t named_rows, named_columns;
};

PartShape ShapeOfPart(const LlamaPart& part, const Config& config) {
  const uint64_t all_columns = ShapeOf(config, part.key.first).columns;
  const uint64_t rows = part.rows, columns = part.columns != 0 ? part.columns : all_columns;
  return part.transposed ? PartShape{rows, columns, all_columns, columns, rows}
                         : PartShape{rows, columns, all_columns, rows, columns};
}

// Calls both(index of the value here, index of it there) for each value of the part.
template <typename Both>
void ForEachValue(const LlamaPart& part, const PartShape& shape, Both both) {
  const bool vector = shape.rows == 1;
  for (uint64_t row = 0; row < shape.rows; ++row) {
    const uint64_t here = (part.first + row) * shape.all_columns + part.first_column;
    for (uint64_t k = 0; k < shape.columns; ++k) {
      const uint64_t r = vector ? row : SourceOf(part, row, shape.rows);
      const uint64_t c = vector ? SourceOf(part, k, shape.columns) : k;
      both(here + k, part.transposed ? c * shape.rows + r : r * shape.columns + c);
    }
  }
}

}  // namespace

absl::Status TensorAssembly::Add(const std::string& name, const LlamaPart& part, const StoredTensor& tensor,
                                 const SourceFile& file) {
  const PartShape shape = ShapeOfPart(part, config_);
  if (tensor.rows != shape.named_rows || tensor.columns != shape.named_columns) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " is ", tensor.rows, " x ",
                                                   tensor.columns, "; its configuration calls for ",
                                                   shape.named_rows, " x ", shape.named_columns));
  }
  const auto offset = static_cast<uint64_t>(tensor.bytes.data() - file.bytes.data());
  pieces_[part.key].push_back({name, part, tensor, file.path, offset});
  return absl::OkStatus();
}

absl::Status TensorAssembly::CheckFinite(const Piece& piece, const std::vector<float>& values) {
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return absl::OkStatus();
  const auto i = static_cast<uint64_t>(bad - values.begin());
  const StoredTensor& tensor = piece.tensor;
  const uint64_t at = tensor.group != 0 ? i : i / tensor.type->block_elements * tensor.type->block_bytes;
  return absl::InvalidArgumentError(absl::StrCat(
      piece.path, piece.path.empty() ? "" : ": ", "tensor ", piece.name, ", byte ", piece.offset + at, ": ",
      *bad, " at row ", i / tensor.columns, ", column ", i % tensor.columns,
      "; weights must be finite. The file is damaged, or its training diverged: take another one"));
}

absl::StatusOr<std::vector<float>> TensorAssembly::Read(const Config& config,
                                                        const std::vector<Piece>& pieces) {
  const TensorShape all = ShapeOf(config, pieces[0].part.key.first);
  std::vector<float> together;
  for (const Piece& piece : pieces) {
    StoredTensor tensor = piece.tensor;
    MappedFile file;  // until its values are out of it: so no more than this part is in memory
    if (!piece.path.empty()) {
      absl::StatusOr<MappedFile> opened = MappedFile::Open(piece.path, "the file that it was");
      if (!opened.ok()) return opened.status();
      file = *std::move(opened);
      if (piece.offset > file.bytes().size() || tensor.bytes.size() > file.bytes().size() - piece.offset)
        return absl::DataLossError(absl::StrCat(piece.path, " became shorter while it was read"));
      tensor.bytes = file.bytes().substr(piece.offset, tensor.bytes.size());
    }
    std::vector<float> values = Dequantize(tensor);
    if (absl::Status status = CheckFinite(piece, values); !status.ok()) return status;
    const LlamaPart& part = piece.part;
    const PartShape shape = ShapeOfPart(part, config);
    if (pieces.size() == 1 && !part.transposed && part.added == 0 && part.interleaved == 0 &&
        values.size() == uint64_t{all.rows} * all.columns) {
      return values;
    }
    together.resize(uint64_t{all.rows} * all.columns);
    // Nothing is added to most: -0 + 0 would be 0.
    ForEachValue(part, shape, [&](uint64_t here, uint64_t there) {
      together[here] = part.added != 0 ? values[there] + part.added : values[there];
    });
  }
  return together;
}

void TensorAssembly::MoveTo(Checkpoint* checkpoint) {
  for (auto& [key, pieces] : pieces_) {
    const TensorShape shape = ShapeOf(config_, key.first);
    checkpoint->tensors[key] = {shape.rows, shape.columns, {}, [config = config_, taken = std::move(pieces)] {
                                  return Read(config, taken);
                                }};
  }
  pieces_.clear();
}

NamedValues TakeTensor(const LlamaPart& part, const Checkpoint& checkpoint) {
  const PartShape shape = ShapeOfPart(part, ToConfig(checkpoint.architecture));
  const FloatTensor& from = checkpoint.tensors.at(part.key);
  NamedValues taken = {shape.named_rows, shape.named_columns, {}};
  taken.values.resize(shape.rows * shape.columns);
  ForEachValue(part, shape,
               [&](uint64_t here, uint64_t there) { taken.values[there] = from.values[here] - part.added; });
  return taken;
}

}  // namespace cllm
