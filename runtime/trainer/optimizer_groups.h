// Room: trainer. What of a cllm_optimizer every update checks and asks. Numbers only.
#ifndef CLLM_TRAINER_OPTIMIZER_GROUPS_H_
#define CLLM_TRAINER_OPTIMIZER_GROUPS_H_

#include "base/status.h"
#include "model/model.h"
#include "trainer/muon.h"

namespace cllm {

inline constexpr float kLargestFloat = 3.40282347e38f;

inline bool IsNotNegative(float x) { return x >= 0.0f && x <= kLargestFloat; }

inline Status CheckOptimizer(const cllm_optimizer& o) {
  if (o.struct_size != sizeof(cllm_optimizer)) return CLLM_STRUCT_SIZE;
  const cllm_parameter_group groups[] = {o.matrices, o.embeddings, o.norms};
  for (const cllm_parameter_group& group : groups) {
    if (!IsNotNegative(group.learning_rate) || !IsNotNegative(group.weight_decay))
      return CLLM_OPTIMIZER_RANGE;
  }
  const float fractions[] = {o.beta1, o.beta2, o.momentum};
  for (const float fraction : fractions) {
    if (!(fraction >= 0.0f && fraction < 1.0f)) return CLLM_OPTIMIZER_RANGE;
  }
  const bool rest = IsNotNegative(o.clip) && IsNotNegative(o.epsilon) && o.epsilon != 0.0f;
  return rest ? CLLM_OK : CLLM_OPTIMIZER_RANGE;
}

inline const cllm_parameter_group& GroupOf(const cllm_optimizer& optimizer, Role role) {
  if (IsLayerMatrix(role)) return optimizer.matrices;
  return role == Role::kTokenEmbedding || role == Role::kPositionEmbedding || role == Role::kHead
             ? optimizer.embeddings
             : optimizer.norms;
}

// What decay leaves of a weight.
inline float Kept(const cllm_parameter_group& group) {
  return 1.0f - group.learning_rate * group.weight_decay;
}

}  // namespace cllm

#endif  // CLLM_TRAINER_OPTIMIZER_GROUPS_H_
