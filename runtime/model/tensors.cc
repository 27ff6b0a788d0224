#include "model/tensors.h"

namespace cllm {
namespace {

constexpr uint32_t kLayerRoleCount = 6;
constexpr Role kLayerRoles[kLayerRoleCount] = {Role::kAttentionNorm,   Role::kQueryKeyValue,
                                               Role::kAttentionOutput, Role::kFeedForwardNorm,
                                               Role::kGateUp,          Role::kDown};

bool InRange(uint32_t value, uint32_t most) { return value >= 1 && value <= most; }

bool IsPositiveNormal(float value) { return value >= 0x1p-126f && value <= 0x1.fffffep127f; }

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
  return IsPositiveNormal(config.norm_epsilon) ? CLLM_OK : CLLM_FILE_CONFIG_RANGE;
}

uint32_t TensorCount(const Config& config) {
  return 2 + kLayerRoleCount * config.layers + (config.tied_head ? 0 : 1);
}

TensorPlace PlaceOf(const Config& config, uint32_t index) {
  if (index == 0) return {Role::kTokenEmbedding, 0};
  const uint32_t role = (index - 1) / config.layers;
  if (role < kLayerRoleCount) return {kLayerRoles[role], (index - 1) % config.layers};
  return {index == 1 + kLayerRoleCount * config.layers ? Role::kFinalNorm : Role::kHead, 0};
}

uint32_t IndexOf(const Config& config, Role role, uint32_t layer) {
  if (role == Role::kFinalNorm) return 1 + kLayerRoleCount * config.layers;
  if (role == Role::kHead && !config.tied_head) return 2 + kLayerRoleCount * config.layers;
  for (uint32_t i = 0; i < kLayerRoleCount; ++i) {
    if (kLayerRoles[i] == role) return 1 + i * config.layers + layer;
  }
  return 0;
}

bool IsVector(Role role) {
  return role == Role::kAttentionNorm || role == Role::kFeedForwardNorm || role == Role::kFinalNorm;
}

TensorShape ShapeOf(const Config& config, Role role) {
  const uint32_t query_size = config.heads * config.head_size;
  const uint32_t key_size = config.kv_heads * config.head_size;
  if (IsVector(role)) return {1, config.width};
  if (role == Role::kQueryKeyValue) return {query_size + 2 * key_size, config.width};
  if (role == Role::kAttentionOutput) return {config.width, query_size};
  if (role == Role::kGateUp) return {2 * config.hidden, config.width};
  if (role == Role::kDown) return {config.width, config.hidden};
  return {config.vocabulary_size, config.width};  // the embedding and the head
}

uint64_t StoredRows(const Config& config, Role role) {
  if (IsVector(role)) return 1;
  if (role == Role::kGateUp) return 2 * PaddedRow(config.hidden);
  return PaddedRow(ShapeOf(config, role).rows);
}

uint64_t StoredBytes(const Config& config, Role role, Dtype dtype) {
  const TensorShape shape = ShapeOf(config, role);
  if (IsVector(role)) return PaddedRow(shape.columns) * sizeof(float);
  const uint64_t rows = StoredRows(config, role);
  switch (dtype) {
    case Dtype::kBf16: return Bf16PanelBytes(rows, shape.columns);
    case Dtype::kI8: return I8MatrixBytes(rows, shape.columns);
    case Dtype::kI4: return I4MatrixBytes(rows, shape.columns);
    default: return F32PanelBytes(rows, shape.columns);
  }
}

}  // namespace cllm
