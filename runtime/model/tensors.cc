#include "model/tensors.h"

#include "base/features.h"

namespace cllm {
namespace {

constexpr uint32_t kRoles = static_cast<uint32_t>(Role::kHead) + 1;

constexpr uint32_t Bit(Role role) { return 1u << static_cast<uint32_t>(role); }

constexpr uint32_t kOutsideLayers =
    Bit(Role::kTokenEmbedding) | Bit(Role::kPositionEmbedding) | Bit(Role::kFinalNorm) | Bit(Role::kHead);
constexpr uint32_t kMatrices = Bit(Role::kTokenEmbedding) | Bit(Role::kPositionEmbedding) |
                               Bit(Role::kQueryKeyValue) | Bit(Role::kAttentionOutput) | Bit(Role::kGateUp) |
                               Bit(Role::kDown) | Bit(Role::kHead);

// A bit for each role that the configuration has.
uint32_t RolesOf(const Config& config) {
  uint32_t roles = Bit(Role::kTokenEmbedding) | Bit(Role::kQueryKeyValue) | Bit(Role::kAttentionOutput) |
                   Bit(Role::kGateUp) | Bit(Role::kDown) | Bit(Role::kFinalNorm);
  if (!config.tied_head) roles |= Bit(Role::kHead);
  const Variant& variant = config.variant;
  if (variant.norms_before()) roles |= Bit(Role::kAttentionNorm) | Bit(Role::kFeedForwardNorm);
  if (variant.norms_after()) roles |= Bit(Role::kAttentionPostNorm) | Bit(Role::kFeedForwardPostNorm);
  if (variant.learned_positions) roles |= Bit(Role::kPositionEmbedding);
  if (variant.query_key_value_bias) roles |= Bit(Role::kQueryKeyValueBias);
  if (variant.query_key_norm) roles |= Bit(Role::kQueryNorm) | Bit(Role::kKeyNorm);
  if (variant.attention_output_bias) roles |= Bit(Role::kAttentionOutputBias);
  if (variant.feed_forward_bias) roles |= Bit(Role::kGateUpBias) | Bit(Role::kDownBias);
  return roles;
}

// How many tensors of role number `role` there are.
uint32_t CountOf(const Config& config, uint32_t roles, uint32_t role) {
  if ((roles >> role & 1) == 0) return 0;
  return (kOutsideLayers >> role & 1) != 0 ? 1 : config.layers;
}

bool InRange(uint32_t value, uint32_t most) { return value >= 1 && value <= most; }

bool IsPositiveNormal(float value) { return value >= 0x1p-126f && value <= 0x1.fffffep127f; }

bool IsCap(float value) { return value == 0.0f || IsPositiveNormal(value); }

bool InRange(const Variant& variant, uint32_t head_size) {
  const bool rotary = variant.rotary_size % 2 == 0 && variant.rotary_size < head_size &&
                      (variant.rope || variant.rotary_size == 0);
  const bool window = InRange(variant.sliding_window_period, kMaxLayers) &&
                      variant.sliding_window_phase < variant.sliding_window_period &&
                      variant.sliding_window <= kMaxContext &&
                      (!variant.window_rope || (variant.rope && variant.sliding_window != 0));
  return rotary && window && IsCap(variant.logit_softcap) && IsCap(variant.attention_softcap) &&
         IsCap(variant.attention_scale) && IsPositiveNormal(variant.embedding_scale) &&
         IsPositiveNormal(variant.residual_scale) && IsPositiveNormal(variant.logit_scale);
}

}  // namespace

Status CheckConfig(const Config& config) {
  const bool sizes = InRange(config.vocabulary_size, kMaxVocabulary) &&
                     InRange(config.context, kMaxContext) && InRange(config.width, kMaxWidth) &&
                     InRange(config.layers, kMaxLayers) && InRange(config.hidden, kMaxWidth) &&
                     InRange(config.heads, kMaxWidth) && InRange(config.head_size, kMaxWidth) &&
                     InRange(config.kv_heads, config.heads);
  if (!sizes) return CLLM_FILE_CONFIG_RANGE;
  if (config.heads % config.kv_heads != 0 || config.head_size % 2 != 0) return CLLM_FILE_CONFIG_RANGE;
  if (uint64_t{config.heads} * config.head_size > kMaxWidth) return CLLM_FILE_CONFIG_RANGE;
  if (!InRange(config.variant, config.head_size)) return CLLM_FILE_CONFIG_RANGE;
  return IsPositiveNormal(config.norm_epsilon) ? CLLM_OK : CLLM_FILE_CONFIG_RANGE;
}

uint32_t TensorCount(const Config& config, Role role) {
  const auto number = static_cast<uint32_t>(role);
  return number < kRoles ? CountOf(config, RolesOf(config), number) : 0;
}

bool HasRole(const Config& config, Role role) { return (RolesOf(config) & Bit(role)) != 0; }

uint32_t TensorCount(const Config& config) {
  const uint32_t roles = RolesOf(config);
  uint32_t count = 0;
  for (uint32_t role = 0; role < kRoles; ++role) count += CountOf(config, roles, role);
  return count;
}

TensorPlace PlaceOf(const Config& config, uint32_t index) {
  const uint32_t roles = RolesOf(config);
  uint32_t role = 0;
  for (; index >= CountOf(config, roles, role); ++role) index -= CountOf(config, roles, role);
  return {static_cast<Role>(role), index};
}

uint32_t IndexOf(const Config& config, Role role, uint32_t layer) {
  const uint32_t roles = RolesOf(config);
  if ((roles & Bit(role)) == 0) return 0;
  uint32_t index = layer;
  for (uint32_t i = 0; i < static_cast<uint32_t>(role); ++i) index += CountOf(config, roles, i);
  return index;
}

bool IsVector(Role role) { return (kMatrices & Bit(role)) == 0; }

TensorShape ShapeOf(const Config& config, Role role) {
  const uint32_t query_size = config.heads * config.head_size;
  const uint32_t key_size = config.kv_heads * config.head_size;
  // A bias has as many columns as its matrix rows.
  switch (kHasVariants ? role : Role::kHead) {
    case Role::kPositionEmbedding: return {config.context, config.width};
    case Role::kQueryKeyValueBias: return {1, ShapeOf(config, Role::kQueryKeyValue).rows};
    case Role::kGateUpBias: return {1, ShapeOf(config, Role::kGateUp).rows};
    case Role::kAttentionOutputBias:
    case Role::kDownBias: return {1, config.width};
    case Role::kQueryNorm:
    case Role::kKeyNorm: return {1, config.head_size};
    default: break;
  }
  if (IsVector(role)) return {config.variant.norm_rows(), config.width};
  if (role == Role::kQueryKeyValue) return {query_size + 2 * key_size, config.width};
  if (role == Role::kAttentionOutput) return {config.width, query_size};
  if (role == Role::kGateUp) return {config.variant.feed_forward_inputs() * config.hidden, config.width};
  if (role == Role::kDown) return {config.width, config.hidden};
  return {config.vocabulary_size, config.width};  // the embedding and the head
}

uint64_t StoredRows(const Config& config, Role role) {
  if (IsVector(role)) return config.variant.norm_rows();
  if (role == Role::kGateUp) return config.variant.feed_forward_inputs() * PaddedRow(config.hidden);
  return PaddedRow(ShapeOf(config, role).rows);
}

uint64_t StoredBytes(const Config& config, Role role, Dtype dtype) {
  const TensorShape shape = ShapeOf(config, role);
  // Gate and up rows pad each.
  if (kHasVariants && role == Role::kGateUpBias) return StoredRows(config, Role::kGateUp) * sizeof(float);
  if (IsVector(role)) return PaddedRow(shape.columns) * sizeof(float) * shape.rows;
  const uint64_t rows = StoredRows(config, role);
  if (IsLattice(dtype)) return LatticeMatrixBytes(rows, shape.columns, FineBits(dtype));
  switch (dtype) {
    case Dtype::kBf16: return Bf16PanelBytes(rows, shape.columns);
    case Dtype::kI8: return I8MatrixBytes(rows, shape.columns);
    case Dtype::kI4: return I4MatrixBytes(rows, shape.columns);
    default: return F32PanelBytes(rows, shape.columns);
  }
}

}  // namespace cllm
