#include "base/features.h"
#include "model/head.h"
#include "model/tensors.h"

namespace cllm {
namespace {

Status CheckBlock(const schema::Config& config) {
  if (config.norm() > (kHasVariants ? schema::Norm::MAX : schema::Norm::rms)) return CLLM_UNSUPPORTED_NORM;
  const schema::NormPlacement placement = config.norm_placement();
  const bool after = placement != schema::NormPlacement::before;
  if (kHasVariants ? placement > schema::NormPlacement::MAX || (after && config.parallel_block()) : after) {
    return CLLM_UNSUPPORTED_NORM_PLACEMENT;
  }
  const schema::Activation activation = config.activation();
  const schema::Activation last = kHasVariants ? schema::Activation::MAX : schema::Activation::silu;
  if (activation > last) return CLLM_UNSUPPORTED_ACTIVATION;
  if (!kHasVariants && !config.gated()) return CLLM_UNSUPPORTED_UNGATED;
  if (!kHasVariants &&
      (config.query_key_value_bias() || config.attention_output_bias() || config.feed_forward_bias())) {
    return CLLM_UNSUPPORTED_BIAS;
  }
  if (!kHasVariants && config.query_key_norm()) return CLLM_UNSUPPORTED_QK_NORM;
  return !kHasVariants && config.parallel_block() ? CLLM_UNSUPPORTED_PARALLEL_BLOCK : CLLM_OK;
}

Status CheckPosition(const schema::Config& config) {
  if (kHasVariants) {
    const bool known = config.position() <= schema::Position::MAX && config.rope_magnitude() == 1.0f;
    return known ? CLLM_OK : CLLM_UNSUPPORTED_POSITION;
  }
  const bool rope = config.position() == schema::Position::rope_adjacent ||
                    config.position() == schema::Position::rope_halves;
  const bool whole_head = config.rotary_size() == 0 || config.rotary_size() == config.head_size();
  return rope && whole_head && config.rope_magnitude() == 1.0f ? CLLM_OK : CLLM_UNSUPPORTED_POSITION;
}

// A comparison with NaN is false, so NaN is refused too. What runs has its numbers checked with the others.
Status CheckScales(const schema::Config& config) {
  if (kHasVariants) return CLLM_OK;
  if (!(config.logit_softcap() == 0.0f && config.attention_softcap() == 0.0f))
    return CLLM_UNSUPPORTED_SOFTCAP;
  const bool plain = config.attention_scale() == 0.0f && config.embedding_scale() == 1.0f &&
                     config.residual_scale() == 1.0f && config.logit_scale() == 1.0f;
  return plain ? CLLM_OK : CLLM_UNSUPPORTED_SCALE;
}

#ifdef CLLM_WITHOUT_VARIANTS
void ReadVariant(const schema::Config& /*stored*/, Variant* /*variant*/) {}
#else
// Of switches that were checked.
void ReadVariant(const schema::Config& stored, Variant* out) {
  Variant& variant = *out;
  variant.norm = static_cast<Norm>(stored.norm());
  variant.norm_placement = static_cast<NormPlacement>(stored.norm_placement());
  variant.activation = static_cast<Activation>(stored.activation());
  variant.gated = stored.gated();
  variant.rope = stored.position() <= schema::Position::rope_halves;
  variant.learned_positions = stored.position() == schema::Position::learned;
  variant.rotary_size = stored.rotary_size() != stored.head_size() ? stored.rotary_size() : 0;
  variant.query_key_value_bias = stored.query_key_value_bias();
  variant.attention_output_bias = stored.attention_output_bias();
  variant.feed_forward_bias = stored.feed_forward_bias();
  variant.query_key_norm = stored.query_key_norm();
  variant.parallel_block = stored.parallel_block();
  variant.sliding_window = stored.sliding_window();
  variant.sliding_window_period = stored.sliding_window_period();
  variant.sliding_window_phase = stored.sliding_window_phase();
  variant.window_rope = stored.window_rope_turns() != nullptr;
  variant.logit_softcap = stored.logit_softcap();
  variant.attention_softcap = stored.attention_softcap();
  variant.attention_scale = stored.attention_scale();
  variant.embedding_scale = stored.embedding_scale();
  variant.residual_scale = stored.residual_scale();
  variant.logit_scale = stored.logit_scale();
}
#endif

}  // namespace

Status CheckSwitches(const schema::Config& config) {
  CLLM_RETURN_IF_ERROR(CheckBlock(config));
  CLLM_RETURN_IF_ERROR(CheckPosition(config));
  CLLM_RETURN_IF_ERROR(CheckScales(config));
  if (!kHasVariants && config.sliding_window() != 0) return CLLM_UNSUPPORTED_SLIDING_WINDOW;
  const bool residues = config.residue_moduli() != nullptr && config.residue_moduli()->size() != 0;
  if (config.embedding_kind() != schema::EmbeddingKind::table || residues) {
    return CLLM_UNSUPPORTED_EMBEDDING_KIND;
  }
  return config.head_kind() == schema::HeadKind::full ? CLLM_OK : CLLM_UNSUPPORTED_HEAD_KIND;
}

namespace {

// rotary / 2 numbers, where the Verifier has found a vector.
Status ReadTurns(const flatbuffers::Vector<uint64_t>* turns, uint32_t pairs, const uint8_t* bytes,
                 const uint64_t** out) {
  if (turns == nullptr || turns->size() != pairs) return CLLM_FILE_CONFIG_RANGE;
  // The Verifier aligns a vector's length, not its elements.
  if ((turns->Data() - bytes) % 8 != 0) return CLLM_FILE_HEAD;
  *out = reinterpret_cast<const uint64_t*>(turns->Data());
  return CLLM_OK;
}

}  // namespace

Status ReadConfig(const schema::Config& stored, const uint8_t* bytes, Config* config) {
  config->vocabulary_size = stored.vocabulary_size();
  config->context = stored.context();
  config->width = stored.width();
  config->layers = stored.layers();
  config->heads = stored.heads();
  config->kv_heads = stored.kv_heads();
  config->head_size = stored.head_size();
  config->hidden = stored.hidden();
  config->norm_epsilon = stored.norm_epsilon();
  config->rope_pairs =
      stored.position() == schema::Position::rope_halves ? RopePairs::kHalves : RopePairs::kAdjacent;
  config->tied_head = stored.tied_head();
  ReadVariant(stored, &config->variant);
  CLLM_RETURN_IF_ERROR(CheckConfig(*config));
  const uint32_t pairs = config->variant.rotary(config->head_size) / 2;
  const flatbuffers::Vector<uint64_t>* turns = stored.rope_turns();
  if (kHasVariants && pairs == 0)
    return turns == nullptr || turns->size() == 0 ? CLLM_OK : CLLM_FILE_CONFIG_RANGE;
#ifndef CLLM_WITHOUT_VARIANTS
  if (config->variant.window_rope) {
    CLLM_RETURN_IF_ERROR(ReadTurns(stored.window_rope_turns(), pairs, bytes, &config->window_rope_turns));
  }
#endif
  return ReadTurns(turns, pairs, bytes, &config->rope_turns);
}

}  // namespace cllm
