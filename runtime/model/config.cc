#include "model/head.h"
#include "model/tensors.h"

namespace cllm {
namespace {

Status CheckBlock(const schema::Config& config) {
  if (config.norm() != schema::Norm::rms) return CLLM_UNSUPPORTED_NORM;
  if (config.norm_placement() != schema::NormPlacement::before) {
    return CLLM_UNSUPPORTED_NORM_PLACEMENT;
  }
  if (config.activation() != schema::Activation::silu) return CLLM_UNSUPPORTED_ACTIVATION;
  if (!config.gated()) return CLLM_UNSUPPORTED_UNGATED;
  if (config.query_key_value_bias() || config.attention_output_bias() || config.feed_forward_bias()) {
    return CLLM_UNSUPPORTED_BIAS;
  }
  if (config.query_key_norm()) return CLLM_UNSUPPORTED_QK_NORM;
  return config.parallel_block() ? CLLM_UNSUPPORTED_PARALLEL_BLOCK : CLLM_OK;
}

Status CheckPosition(const schema::Config& config) {
  const bool rope = config.position() == schema::Position::rope_adjacent ||
                    config.position() == schema::Position::rope_halves;
  const bool whole_head = config.rotary_size() == 0 || config.rotary_size() == config.head_size();
  return rope && whole_head && config.rope_magnitude() == 1.0f ? CLLM_OK : CLLM_UNSUPPORTED_POSITION;
}

// A comparison with NaN is false, so NaN is refused too.
Status CheckScales(const schema::Config& config) {
  if (!(config.logit_softcap() == 0.0f && config.attention_softcap() == 0.0f))
    return CLLM_UNSUPPORTED_SOFTCAP;
  const bool plain = config.attention_scale() == 0.0f && config.embedding_scale() == 1.0f &&
                     config.residual_scale() == 1.0f && config.logit_scale() == 1.0f;
  return plain ? CLLM_OK : CLLM_UNSUPPORTED_SCALE;
}

}  // namespace

Status CheckSwitches(const schema::Config& config) {
  CLLM_RETURN_IF_ERROR(CheckBlock(config));
  CLLM_RETURN_IF_ERROR(CheckPosition(config));
  CLLM_RETURN_IF_ERROR(CheckScales(config));
  if (config.sliding_window() != 0) return CLLM_UNSUPPORTED_SLIDING_WINDOW;
  const bool residues = config.residue_moduli() != nullptr && config.residue_moduli()->size() != 0;
  if (config.embedding_kind() != schema::EmbeddingKind::table || residues) {
    return CLLM_UNSUPPORTED_EMBEDDING_KIND;
  }
  return config.head_kind() == schema::HeadKind::full ? CLLM_OK : CLLM_UNSUPPORTED_HEAD_KIND;
}

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
  config->rope_pairs = static_cast<RopePairs>(stored.position());
  config->tied_head = stored.tied_head();
  CLLM_RETURN_IF_ERROR(CheckConfig(*config));
  const flatbuffers::Vector<uint64_t>* turns = stored.rope_turns();
  if (turns == nullptr || turns->size() != config->head_size / 2) return CLLM_FILE_CONFIG_RANGE;
  // The Verifier aligns a vector's length, not its elements.
  if ((turns->Data() - bytes) % 8 != 0) return CLLM_FILE_HEAD;
  config->rope_turns = reinterpret_cast<const uint64_t*>(turns->Data());
  return CLLM_OK;
}

}  // namespace cllm
