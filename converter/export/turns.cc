#include "converter/export/turns.h"

#include <algorithm>
#include <cmath>

namespace cllm {
namespace {

// Moves the rotating elements of each of `heads` heads, which are runs of `stride` values each.
void MoveElements(uint32_t heads, uint32_t head_size, uint32_t rotary, size_t stride, float* values) {
  std::vector<float> moved(rotary * stride);
  for (uint32_t head = 0; head < heads; ++head) {
    float* const first = values + size_t{head} * head_size * stride;
    for (uint32_t i = 0; i < rotary; ++i) {
      const size_t from = i < rotary / 2 ? 2 * i : 2 * (i - rotary / 2) + 1;
      for (size_t k = 0; k < stride; ++k) moved[i * stride + k] = first[from * stride + k];
    }
    std::copy(moved.begin(), moved.end(), first);
  }
}

}  // namespace

double TurnsOf(const std::vector<uint64_t>& turns, size_t i) {
  return std::ldexp(static_cast<double>(turns[i]), -64);
}

std::vector<uint64_t> TurnsOf(const Architecture& a) {
  return a.rope_turns.empty() ? RopeTurns(a.rope_theta, a.variant.rotary(a.head_size)) : a.rope_turns;
}

std::optional<double> RopeBase(const std::vector<uint64_t>& turns) {
  if (turns.size() < 2 || turns[0] == 0 || turns[1] == 0) return std::nullopt;
  const double pairs = static_cast<double>(turns.size());
  const double base = std::round(std::pow(TurnsOf(turns, 0) / TurnsOf(turns, 1), pairs));
  if (!(base >= 1.0 && base < 1e12)) return std::nullopt;
  return base;
}

void RotateByHalves(Checkpoint* checkpoint) {
  Architecture& a = checkpoint->architecture;
  if (a.rope_pairs == RopePairs::kHalves) return;
  a.rope_pairs = RopePairs::kHalves;
  const uint32_t rotary = a.variant.rotary(a.head_size);
  // Queries and keys are the first heads of their tensors, values come last and stay.
  for (auto& [key, tensor] : checkpoint->tensors) {
    const Role role = key.first;
    if (role == Role::kQueryKeyValue) {
      MoveElements(a.heads + a.kv_heads, a.head_size, rotary, tensor.columns, tensor.values.data());
    } else if (role == Role::kQueryKeyValueBias) {
      MoveElements(a.heads + a.kv_heads, a.head_size, rotary, 1, tensor.values.data());
    } else if (role == Role::kQueryNorm || role == Role::kKeyNorm) {
      MoveElements(1, a.head_size, rotary, 1, tensor.values.data());
    }
  }
}

}  // namespace cllm
