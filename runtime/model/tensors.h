// Room: model. Which tensors a configuration has, in the order of the file's table: numbers only.
#ifndef CLLM_MODEL_TENSORS_H_
#define CLLM_MODEL_TENSORS_H_

#include <cstdint>

#include "base/layout.h"
#include "model/model.h"

namespace cllm {

// Limits of the format, so that no product of a shape overflows 64 bits.
inline constexpr uint32_t kMaxVocabulary = 1u << 24;
inline constexpr uint32_t kMaxContext = 1u << 24;
inline constexpr uint32_t kMaxWidth = 1u << 16;  // also of hidden and of heads * head_size
inline constexpr uint32_t kMaxLayers = 1u << 10;

struct TensorPlace {
  Role role;
  uint32_t layer;
};

struct TensorShape {
  uint32_t rows;  // of vectors: how many lie one after the other, each padded
  uint32_t columns;
};

// CLLM_OK or CLLM_FILE_CONFIG_RANGE. Does not look at rope_turns.
Status CheckConfig(const Config& config);

// Number of tensors, for a configuration in range.
uint32_t TensorCount(const Config& config);

// How many of them have this role, which may be any number: none, one, or one a layer.
uint32_t TensorCount(const Config& config, Role role);

// Place of tensor `index` < TensorCount, sorted by (role, layer).
TensorPlace PlaceOf(const Config& config, uint32_t index);

bool HasRole(const Config& config, Role role);

// The inverse of PlaceOf, for a role that there is; a tied head is the token embedding.
uint32_t IndexOf(const Config& config, Role role, uint32_t layer);

bool IsVector(Role role);

// Without padding; gate_up has 2 hidden rows, or hidden rows where there is no gate.
TensorShape ShapeOf(const Config& config, Role role);

// Rows of a matrix as stored: gate and up rows pad to 16 each.
uint64_t StoredRows(const Config& config, Role role);

// Bytes of the segment, scales included. Vectors are float32 whatever dtype says.
uint64_t StoredBytes(const Config& config, Role role, Dtype dtype);

}  // namespace cllm

#endif  // CLLM_MODEL_TENSORS_H_
