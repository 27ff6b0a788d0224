// Room: base. How an architecture may differ from Llama's, in the schema's values and defaults: what the
// model reads, the kernels compute and the converter writes. Numbers only.
#ifndef CLLM_BASE_VARIANT_H_
#define CLLM_BASE_VARIANT_H_

#include <cstdint>

namespace cllm {

enum class Activation : uint8_t { kSilu = 0, kGeluTanh = 1, kGeluErf = 2, kRelu = 3, kReluSquared = 4 };

enum class Norm : uint8_t {
  kRms = 0,
  kLayer = 1,
  kAffine = 2,  // x weight + bias: a folded batch norm
  kBatch = 3,   // in training only
};

enum class NormPlacement : uint8_t {
  kBefore = 0,          // of what a half of a layer reads
  kBeforeAndAfter = 1,  // and of what it adds
  kAfter = 2,           // of what it adds only
};

// Builds without variants have constants in place of members, so that what differs from Llama is not there.
#ifdef CLLM_WITHOUT_VARIANTS
#define CLLM_SWITCH static constexpr
#else
#define CLLM_SWITCH
#endif

struct Variant {
  CLLM_SWITCH Norm norm = Norm::kRms;
  CLLM_SWITCH NormPlacement norm_placement = NormPlacement::kBefore;
  CLLM_SWITCH Activation activation = Activation::kSilu;
  CLLM_SWITCH bool gated = true;
  CLLM_SWITCH bool rope = true;  // without: no rotation
  CLLM_SWITCH bool learned_positions =
      false;                             // an embedding of positions is added to the tokens'; without rope
  CLLM_SWITCH uint32_t rotary_size = 0;  // leading elements of each head that rotate; 0: all
  CLLM_SWITCH bool query_key_value_bias = false;
  CLLM_SWITCH bool attention_output_bias = false;
  CLLM_SWITCH bool feed_forward_bias = false;  // of both products
  CLLM_SWITCH bool query_key_norm = false;  // RMS norm of each head of queries and keys, before the rotation
  CLLM_SWITCH bool parallel_block = false;  // both halves of a layer read the same; their norms are before
  // Positions that a query sees, its own the last; 0: all. Layers i with (i + 1 + phase) % period == 0 see
  // all nonetheless, unless the period is 1.
  CLLM_SWITCH uint32_t sliding_window = 0;
  CLLM_SWITCH uint32_t sliding_window_period = 1;
  CLLM_SWITCH uint32_t sliding_window_phase = 0;  // below the period
  CLLM_SWITCH bool window_rope = false;           // layers with a window rotate by turns of their own
  CLLM_SWITCH float logit_softcap = 0.0f;         // 0: none
  CLLM_SWITCH float attention_softcap = 0.0f;
  CLLM_SWITCH float attention_scale = 0.0f;  // 0: 1 / sqrt(head_size)
  CLLM_SWITCH float embedding_scale = 1.0f;
  CLLM_SWITCH float residual_scale = 1.0f;  // of what each half of a layer adds
  CLLM_SWITCH float logit_scale = 1.0f;     // before the soft cap

#ifdef CLLM_WITHOUT_VARIANTS
  bool operator==(const Variant& /*other*/) const { return true; }
#else
  bool operator==(const Variant& other) const {
    return norm == other.norm && norm_placement == other.norm_placement && activation == other.activation &&
           gated == other.gated && rope == other.rope && learned_positions == other.learned_positions &&
           rotary_size == other.rotary_size && query_key_value_bias == other.query_key_value_bias &&
           attention_output_bias == other.attention_output_bias &&
           feed_forward_bias == other.feed_forward_bias && query_key_norm == other.query_key_norm &&
           parallel_block == other.parallel_block && sliding_window == other.sliding_window &&
           sliding_window_period == other.sliding_window_period &&
           sliding_window_phase == other.sliding_window_phase && window_rope == other.window_rope &&
           logit_softcap == other.logit_softcap && attention_softcap == other.attention_softcap &&
           attention_scale == other.attention_scale && embedding_scale == other.embedding_scale &&
           residual_scale == other.residual_scale && logit_scale == other.logit_scale;
  }
#endif
  // Rows of a norm's tensor: weight, bias, running mean, running variance.
  uint32_t norm_rows() const { return norm == Norm::kRms ? 1 : norm == Norm::kBatch ? 4 : 2; }
  // Elements of a head that rotate.
  uint32_t rotary(uint32_t head_size) const { return !rope ? 0 : rotary_size != 0 ? rotary_size : head_size; }
  bool norms_before() const { return norm_placement != NormPlacement::kAfter; }
  bool norms_after() const { return norm_placement != NormPlacement::kBefore; }
  // The window of a layer; 0: it sees all.
  uint32_t window(uint32_t layer) const {
    const bool all =
        sliding_window_period > 1 && (layer + 1 + sliding_window_phase) % sliding_window_period == 0;
    return all ? 0 : sliding_window;
  }
  // Panels of gate_up for a panel of hidden units.
  uint32_t feed_forward_inputs() const { return gated ? 2 : 1; }
};

#undef CLLM_SWITCH

}  // namespace cllm

#endif  // CLLM_BASE_VARIANT_H_
