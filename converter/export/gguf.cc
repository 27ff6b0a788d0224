#include "converter/export/gguf.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/checkpoint/variant.h"
#include "converter/export/float_bytes.h"
#include "converter/export/gguf_file.h"
#include "converter/export/gguf_tokenizer.h"
#include "converter/export/turns.h"

namespace cllm {
namespace {

// The base of the frequencies if they are those of an unscaled RoPE, else 10000.
double UnscaledBase(const std::vector<uint64_t>& turns, uint32_t head_size) {
  const double base = RopeBase(turns).value_or(10000.0);
  return RopeTurns(base, head_size) == turns ? base : 10000.0;
}

// The format's numbers of what most of a file is.
constexpr uint32_t kAllFloat32 = 0, kMostlyBfloat16 = 32;

void SetArchitecture(const Architecture& a, double rope_base, GgufFile* file) {
  file->Set("general.architecture", "llama");
  file->Set("llama.vocab_size", a.vocabulary_size);
  file->Set("llama.context_length", a.context);
  file->Set("llama.embedding_length", a.width);
  file->Set("llama.block_count", a.layers);
  file->Set("llama.feed_forward_length", a.hidden);
  file->Set("llama.attention.head_count", a.heads);
  file->Set("llama.attention.head_count_kv", a.kv_heads);
  file->Set("llama.attention.key_length", a.head_size);
  file->Set("llama.attention.value_length", a.head_size);
  file->Set("llama.attention.layer_norm_rms_epsilon", a.norm_epsilon);
  file->Set("llama.rope.dimension_count", a.head_size);
  file->Set("llama.rope.freq_base", static_cast<float>(rope_base));
}

// What llama.cpp divides each pair's frequency by. Nothing if the base alone gives the frequencies.
void AddRopeFactors(const std::vector<uint64_t>& turns, uint32_t head_size, double base, GgufFile* file) {
  const std::vector<uint64_t> unscaled = RopeTurns(base, head_size);
  if (unscaled == turns) return;
  std::vector<float> factors;
  for (size_t i = 0; i < turns.size(); ++i)
    factors.push_back(static_cast<float>(TurnsOf(unscaled, i) / TurnsOf(turns, i)));
  file->Add("rope_freqs.weight", std::move(factors));
}

class TensorAdder {
 public:
  TensorAdder(const Checkpoint& checkpoint, const WeightFormats& stored, GgufFile* file)
      : checkpoint_(checkpoint), stored_(stored), file_(file) {}

  void Vector(const std::string& name, const TensorKey& key) {
    file_->Add(name, checkpoint_.tensors.at(key).values);
  }

  // Rows [first, first + rows) of a tensor.
  void Matrix(const std::string& name, const TensorKey& key, uint32_t first, uint32_t rows) {
    Add(name, key, first, rows, [](uint32_t row) { return row; });
  }

  // The same for rows of heads, whose pairs (i, i + half) become the pairs (2 i, 2 i + 1).
  void Rotated(const std::string& name, const TensorKey& key, uint32_t first, uint32_t rows) {
    const uint32_t size = checkpoint_.architecture.head_size;
    if (checkpoint_.architecture.rope_pairs == RopePairs::kAdjacent) return Matrix(name, key, first, rows);
    Add(name, key, first, rows, [size](uint32_t row) {
      const uint32_t within = row % size;
      return row - within + within / 2 + within % 2 * (size / 2);
    });
  }

 private:
  template <typename RowOf>
  void Add(const std::string& name, const TensorKey& key, uint32_t first, uint32_t rows, RowOf row_of) {
    const FloatTensor& tensor = checkpoint_.tensors.at(key);
    file_->Add(name, rows, tensor.columns, FloatFormat(stored_.Of(key)), [&tensor, first, rows, row_of] {
      std::vector<float> values;
      values.reserve(uint64_t{rows} * tensor.columns);
      for (uint32_t row = 0; row < rows; ++row) {
        const float* from = tensor.values.data() + uint64_t{first + row_of(row)} * tensor.columns;
        values.insert(values.end(), from, from + tensor.columns);
      }
      return values;
    });
  }

  const Checkpoint& checkpoint_;
  const WeightFormats& stored_;
  GgufFile* file_;
};

void AddTensors(const Checkpoint& checkpoint, const WeightFormats& stored, GgufFile* file) {
  const Architecture& a = checkpoint.architecture;
  const uint32_t queries = a.heads * a.head_size, keys = a.kv_heads * a.head_size;
  TensorAdder add(checkpoint, stored, file);
  add.Matrix("token_embd.weight", {Role::kTokenEmbedding, 0}, 0, a.vocabulary_size);
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    const auto name = [layer](const char* tensor) {
      return absl::StrCat("blk.", layer, ".", tensor, ".weight");
    };
    const TensorKey attention(Role::kQueryKeyValue, layer), gate_up(Role::kGateUp, layer);
    add.Vector(name("attn_norm"), {Role::kAttentionNorm, layer});
    add.Rotated(name("attn_q"), attention, 0, queries);
    add.Rotated(name("attn_k"), attention, queries, keys);
    add.Matrix(name("attn_v"), attention, queries + keys, keys);
    add.Matrix(name("attn_output"), {Role::kAttentionOutput, layer}, 0, a.width);
    add.Vector(name("ffn_norm"), {Role::kFeedForwardNorm, layer});
    add.Matrix(name("ffn_gate"), gate_up, 0, a.hidden);
    add.Matrix(name("ffn_up"), gate_up, a.hidden, a.hidden);
    add.Matrix(name("ffn_down"), {Role::kDown, layer}, 0, a.width);
  }
  add.Vector("output_norm.weight", {Role::kFinalNorm, 0});
  if (!a.tied_head) add.Matrix("output.weight", {Role::kHead, 0}, 0, a.vocabulary_size);
}

}  // namespace

absl::Status ExportGguf(const Checkpoint& checkpoint, const WeightFormats& stored, const std::string& path) {
  if (absl::Status status = CheckCheckpoint(checkpoint); !status.ok()) return status;
  const Architecture& a = checkpoint.architecture;
  if (absl::Status status = CheckIsLlama(a, "GGUF"); !status.ok()) return status;
  const std::vector<uint64_t> turns = TurnsOf(a);
  const double base = a.rope_turns.empty() ? a.rope_theta : UnscaledBase(turns, a.head_size);
  GgufFile file;
  SetArchitecture(a, base, &file);
  const bool halves = stored.Narrowest(ToConfig(a)) == Dtype::kBf16;
  file.Set("general.file_type", halves ? kMostlyBfloat16 : kAllFloat32);
  if (!checkpoint.provenance.source.empty()) file.Set("general.name", checkpoint.provenance.source);
  if (!checkpoint.provenance.licence.empty()) file.Set("general.license", checkpoint.provenance.licence);
  SetGgufTokenizer(checkpoint.tokenizer, &file);
  AddRopeFactors(turns, a.head_size, base, &file);
  AddTensors(checkpoint, stored, &file);
  return file.Write(path);
}

}  // namespace cllm
