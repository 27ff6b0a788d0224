#include "converter/checkpoint/checkpoint.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "model/tensors.h"

namespace cllm {
namespace {

const char* RoleName(Role role) {
  switch (role) {
    case Role::kTokenEmbedding: return "token_embedding";
    case Role::kPositionEmbedding: return "position_embedding";
    case Role::kAttentionNorm: return "attention_norm";
    case Role::kQueryKeyValue: return "query_key_value";
    case Role::kQueryKeyValueBias: return "query_key_value_bias";
    case Role::kQueryNorm: return "query_norm";
    case Role::kKeyNorm: return "key_norm";
    case Role::kAttentionOutput: return "attention_output";
    case Role::kAttentionOutputBias: return "attention_output_bias";
    case Role::kAttentionPostNorm: return "attention_post_norm";
    case Role::kFeedForwardNorm: return "feed_forward_norm";
    case Role::kGateUp: return "gate_up";
    case Role::kGateUpBias: return "gate_up_bias";
    case Role::kDown: return "down";
    case Role::kDownBias: return "down_bias";
    case Role::kFeedForwardPostNorm: return "feed_forward_post_norm";
    case Role::kFinalNorm: return "final_norm";
    case Role::kHead: return "head";
  }
  return "unknown";
}

bool IsOutsideLayers(Role role) {
  return role == Role::kTokenEmbedding || role == Role::kPositionEmbedding || role == Role::kFinalNorm ||
         role == Role::kHead;
}

absl::Status CheckNumber(const char* name, uint32_t value, uint32_t most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; it must be 1 to ", most));
}

absl::Status CheckValues(const TensorKey& key, const FloatTensor& tensor) {
  for (size_t i = 0; i < tensor.values.size(); ++i) {
    if (!std::isfinite(tensor.values[i])) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", TensorName(key), " has ", tensor.values[i],
                                                     " at row ", i / tensor.columns, ", column ",
                                                     i % tensor.columns,
                                                     "; weights must be finite. The model is damaged, "
                                                     "or its training diverged: take another one"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTensor(const TensorKey& key, const FloatTensor& tensor,
                         const std::pair<uint32_t, uint32_t>& shape) {
  if (tensor.rows != shape.first || tensor.columns != shape.second) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", TensorName(key), " is ", tensor.rows, " x ",
                                                   tensor.columns, "; the configuration needs ", shape.first,
                                                   " x ", shape.second));
  }
  if (tensor.source) return absl::OkStatus();
  if (tensor.values.size() != uint64_t{tensor.rows} * tensor.columns) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", TensorName(key), " has ", tensor.values.size(),
                                                   " values for ", tensor.rows, " x ", tensor.columns));
  }
  return CheckValues(key, tensor);
}

}  // namespace

std::string TensorName(const TensorKey& key) {
  if (IsOutsideLayers(key.first)) return RoleName(key.first);
  return absl::StrCat("layers.", key.second, ".", RoleName(key.first));
}

Config ToConfig(const Architecture& architecture) {
  Config config = {};
  config.vocabulary_size = architecture.vocabulary_size;
  config.context = architecture.context;
  config.width = architecture.width;
  config.layers = architecture.layers;
  config.heads = architecture.heads;
  config.kv_heads = architecture.kv_heads;
  config.head_size = architecture.head_size;
  config.hidden = architecture.hidden;
  config.norm_epsilon = architecture.norm_epsilon;
  config.rope_pairs = architecture.rope_pairs;
  config.tied_head = architecture.tied_head;
  config.variant = architecture.variant;
  return config;
}

std::map<TensorKey, std::pair<uint32_t, uint32_t>> TensorShapes(const Architecture& architecture) {
  const Config config = ToConfig(architecture);
  std::map<TensorKey, std::pair<uint32_t, uint32_t>> shapes;
  for (uint32_t i = 0; i < TensorCount(config); ++i) {
    const TensorPlace place = PlaceOf(config, i);
    const TensorShape shape = ShapeOf(config, place.role);
    shapes[{place.role, place.layer}] = {shape.rows, shape.columns};
  }
  return shapes;
}

absl::Status CheckVariant(const Variant& variant) {
  const struct {
    const char* name;
    float value;
    bool may_be_zero;
  } numbers[] = {{"logit_softcap", variant.logit_softcap, true},
                 {"attention_softcap", variant.attention_softcap, true},
                 {"attention_scale", variant.attention_scale, true},
                 {"embedding_scale", variant.embedding_scale, false},
                 {"residual_scale", variant.residual_scale, false},
                 {"logit_scale", variant.logit_scale, false}};
  for (const auto& [name, value, may_be_zero] : numbers) {
    if ((std::isnormal(value) && value > 0) || (may_be_zero && value == 0)) continue;
    return absl::InvalidArgumentError(absl::StrCat(name, " is ", value, "; it must be ",
                                                   may_be_zero ? "0, for none, or " : "",
                                                   "a positive, normal float"));
  }
  return absl::OkStatus();
}

// The numbers of sliding windows, and switches that exclude each other.
absl::Status CheckLayers(const Architecture& a) {
  const Variant& variant = a.variant;
  if (variant.norms_after() && variant.parallel_block)
    return absl::InvalidArgumentError("norms after the halves of a layer do not go with a parallel block");
  if (variant.sliding_window_period == 0 || variant.sliding_window_period > kMaxLayers ||
      variant.sliding_window_phase >= variant.sliding_window_period) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sliding_window_period is ", variant.sliding_window_period, ", its phase ",
        variant.sliding_window_phase, "; the period must be 1 to ", kMaxLayers, ", the phase below it"));
  }
  if (variant.sliding_window > kMaxContext) {
    return absl::InvalidArgumentError(
        absl::StrCat("sliding_window is ", variant.sliding_window, "; at most ", kMaxContext));
  }
  const size_t turns = variant.window_rope ? variant.rotary(a.head_size) / 2 : 0;
  if (a.window_rope_turns.size() != turns || (variant.window_rope && variant.sliding_window == 0)) {
    return absl::InvalidArgumentError(absl::StrCat("window_rope_turns has ", a.window_rope_turns.size(),
                                                   " entries; sliding window and rotation call for ", turns));
  }
  return absl::OkStatus();
}

absl::Status CheckSizes(const Architecture& a) {
  const struct {
    const char* name;
    uint32_t value;
    uint32_t most;
  } numbers[] = {{"vocabulary_size", a.vocabulary_size, kMaxVocabulary},
                 {"context", a.context, kMaxContext},
                 {"width", a.width, kMaxWidth},
                 {"layers", a.layers, kMaxLayers},
                 {"heads", a.heads, kMaxWidth},
                 {"kv_heads", a.kv_heads, a.heads},
                 {"head_size", a.head_size, kMaxWidth},
                 {"hidden", a.hidden, kMaxWidth}};
  for (const auto& number : numbers) {
    if (absl::Status status = CheckNumber(number.name, number.value, number.most); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::Status CheckArchitecture(const Architecture& a) {
  if (absl::Status status = CheckSizes(a); !status.ok()) return status;
  if (a.heads % a.kv_heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("heads is ", a.heads, ", which kv_heads (", a.kv_heads, ") does not divide"));
  }
  if (a.head_size % 2 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("head_size is ", a.head_size, "; RoPE rotates pairs, so it must be even"));
  }
  if (uint64_t{a.heads} * a.head_size > kMaxWidth) {
    return absl::InvalidArgumentError(
        absl::StrCat("heads * head_size is ", uint64_t{a.heads} * a.head_size, "; at most ", kMaxWidth));
  }
  if (absl::Status status = CheckVariant(a.variant); !status.ok()) return status;
  if (a.variant.rotary_size % 2 != 0 || a.variant.rotary_size >= a.head_size) {
    return absl::InvalidArgumentError(absl::StrCat("rotary_size is ", a.variant.rotary_size,
                                                   "; it must be even and below head_size, ", a.head_size));
  }
  if (a.variant.rope && a.variant.learned_positions) {
    return absl::InvalidArgumentError("positions are either learned or rotate, not both");
  }
  if (absl::Status status = CheckLayers(a); !status.ok()) return status;
  if (CheckConfig(ToConfig(a)) != CLLM_OK) {
    return absl::InvalidArgumentError(
        absl::StrCat("norm_epsilon is ", a.norm_epsilon, "; it must be a positive, normal float"));
  }
  if (a.rope_turns.empty() && !(std::isfinite(a.rope_theta) && a.rope_theta >= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("rope_theta is ", a.rope_theta, "; it must be at least 1"));
  }
  const uint32_t rotary = a.variant.rotary(a.head_size);
  if (!a.rope_turns.empty() && a.rope_turns.size() != rotary / 2) {
    return absl::InvalidArgumentError(absl::StrCat("rope_turns has ", a.rope_turns.size(), " entries; ",
                                                   rotary, " rotating elements of a head need ", rotary / 2));
  }
  return absl::OkStatus();
}

absl::Status CheckCheckpoint(const Checkpoint& checkpoint) {
  if (absl::Status status = CheckArchitecture(checkpoint.architecture); !status.ok()) return status;
  const auto shapes = TensorShapes(checkpoint.architecture);
  for (const auto& [key, shape] : shapes) {
    const auto found = checkpoint.tensors.find(key);
    if (found == checkpoint.tensors.end()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", TensorName(key), " is missing"));
    }
    if (absl::Status status = CheckTensor(key, found->second, shape); !status.ok()) return status;
  }
  for (const auto& [key, tensor] : checkpoint.tensors) {
    if (!shapes.contains(key)) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", TensorName(key), " has no place in the configuration"));
    }
  }
  const TokenizerTables& tokenizer = checkpoint.tokenizer;
  if (tokenizer.kind != TokenizerKind::kNone &&
      tokenizer.pieces.size() != checkpoint.architecture.vocabulary_size) {
    return absl::InvalidArgumentError(absl::StrCat("the tokenizer has ", tokenizer.pieces.size(),
                                                   " tokens, the model a vocabulary of ",
                                                   checkpoint.architecture.vocabulary_size));
  }
  return absl::OkStatus();
}

absl::StatusOr<FloatTensor> LoadTensor(const TensorKey& key, const FloatTensor& tensor) {
  if (!tensor.source) return tensor;
  absl::StatusOr<std::vector<float>> values = tensor.source();
  if (!values.ok()) return values.status();
  FloatTensor loaded = {tensor.rows, tensor.columns, *std::move(values)};
  if (absl::Status status = CheckTensor(key, loaded, {tensor.rows, tensor.columns}); !status.ok())
    return status;
  return loaded;
}

absl::Status LoadTensors(Checkpoint* checkpoint) {
  for (auto& [key, tensor] : checkpoint->tensors) {
    if (!tensor.source) continue;
    absl::StatusOr<FloatTensor> loaded = LoadTensor(key, tensor);
    if (!loaded.ok()) return loaded.status();
    tensor = *std::move(loaded);
  }
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> Loaded(absl::StatusOr<Checkpoint> checkpoint) {
  if (!checkpoint.ok()) return checkpoint;
  if (absl::Status status = LoadTensors(&*checkpoint); !status.ok()) return status;
  return checkpoint;
}

}  // namespace cllm
