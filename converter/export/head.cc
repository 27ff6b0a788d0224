#include "converter/export/head.h"

#include <cstring>

#include "model/tensors.h"
#include "plan/session_plan.h"
#include "schemas/model_generated.h"

namespace cllm {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

schema::Digest ToSchema(const Sha256Digest& digest) { return schema::Digest(flatbuffers::make_span(digest)); }

Offset<schema::Segment> AddSegment(FlatBufferBuilder* builder, const SegmentEntry& entry) {
  if (entry.bytes == 0) return 0;
  const schema::Digest digest = ToSchema(entry.digest);
  return schema::CreateSegment(*builder, entry.offset, entry.bytes, &digest);
}

Offset<flatbuffers::String> AddString(FlatBufferBuilder* builder, const std::string& text) {
  return text.empty() ? 0 : builder->CreateString(text);
}

Offset<schema::Config> AddConfig(FlatBufferBuilder* builder, const Architecture& a) {
  const std::vector<uint64_t> turns =
      a.rope_turns.empty() ? RopeTurns(a.rope_theta, a.variant.rotary(a.head_size)) : a.rope_turns;
  const auto stored_turns = builder->CreateVector(turns);
  Offset<flatbuffers::Vector<uint64_t>> window_turns = 0;
  if (a.variant.window_rope) window_turns = builder->CreateVector(a.window_rope_turns);
  schema::ConfigBuilder config(*builder);
  config.add_vocabulary_size(a.vocabulary_size);
  config.add_context(a.context);
  config.add_width(a.width);
  config.add_layers(a.layers);
  config.add_heads(a.heads);
  config.add_kv_heads(a.kv_heads);
  config.add_head_size(a.head_size);
  config.add_hidden(a.hidden);
  config.add_norm_epsilon(a.norm_epsilon);
  config.add_position(a.variant.rope                ? static_cast<schema::Position>(a.rope_pairs)
                      : a.variant.learned_positions ? schema::Position::learned
                                                    : schema::Position::none);
  config.add_rotary_size(a.variant.rotary_size);
  config.add_rope_turns(stored_turns);
  config.add_tied_head(a.tied_head);
  config.add_norm(static_cast<schema::Norm>(a.variant.norm));
  config.add_norm_placement(static_cast<schema::NormPlacement>(a.variant.norm_placement));
  config.add_activation(static_cast<schema::Activation>(a.variant.activation));
  config.add_gated(a.variant.gated);
  config.add_query_key_value_bias(a.variant.query_key_value_bias);
  config.add_attention_output_bias(a.variant.attention_output_bias);
  config.add_feed_forward_bias(a.variant.feed_forward_bias);
  config.add_query_key_norm(a.variant.query_key_norm);
  config.add_parallel_block(a.variant.parallel_block);
  config.add_sliding_window(a.variant.sliding_window);
  config.add_sliding_window_period(a.variant.sliding_window_period);
  config.add_sliding_window_phase(a.variant.sliding_window_phase);
  if (a.variant.window_rope) config.add_window_rope_turns(window_turns);
  config.add_logit_softcap(a.variant.logit_softcap);
  config.add_attention_softcap(a.variant.attention_softcap);
  config.add_attention_scale(a.variant.attention_scale);
  config.add_embedding_scale(a.variant.embedding_scale);
  config.add_residual_scale(a.variant.residual_scale);
  config.add_logit_scale(a.variant.logit_scale);
  return config.Finish();
}

Offset<schema::Tensor> AddTensor(FlatBufferBuilder* builder, const Config& config,
                                 const WeightFormats& formats, uint32_t index, const SegmentEntry& entry) {
  const TensorPlace place = PlaceOf(config, index);
  const TensorShape shape = ShapeOf(config, place.role);
  const bool vector = IsVector(place.role);
  const auto segment = AddSegment(builder, entry);
  return schema::CreateTensor(*builder, static_cast<schema::Role>(place.role), place.layer,
                              static_cast<schema::Dtype>(formats.Of({place.role, place.layer})),
                              vector ? schema::Layout::vector : schema::Layout::panel16, shape.rows,
                              shape.columns, segment);
}

Offset<schema::Tokenizer> AddTokenizer(FlatBufferBuilder* builder, const TokenizerTables& tables,
                                       const HeadEntries& entries) {
  if (tables.kind == TokenizerKind::kNone) return 0;
  const auto pieces = AddSegment(builder, entries.pieces);
  const auto scores = AddSegment(builder, entries.scores);
  const auto merges = AddSegment(builder, entries.merges);
  const auto index = AddSegment(builder, entries.index);
  const auto byte_tokens = AddSegment(builder, entries.byte_tokens);
  const auto words = AddSegment(builder, entries.words);
  const auto added = AddSegment(builder, entries.added);
  const auto chat_template = AddString(builder, tables.chat_template);
  const auto normalizer = AddString(builder, tables.normalizer);
  return schema::CreateTokenizer(*builder, static_cast<schema::TokenizerKind>(tables.kind),
                                 static_cast<schema::Pretokenizer>(tables.pretokenizer), tables.begin_token,
                                 tables.end_token, tables.unknown_token, tables.byte_token_base,
                                 tables.prefix_space, pieces, scores, merges, index, byte_tokens, words,
                                 added, tables.prefix_once, tables.prefix_unless_space, tables.block_is_space,
                                 chat_template, tables.squeeze_spaces, tables.float_sums,
                                 static_cast<schema::TextForm>(tables.text_form), normalizer);
}

Offset<schema::Provenance> AddProvenance(FlatBufferBuilder* builder, const Provenance& provenance) {
  const auto source = AddString(builder, provenance.source);
  const auto licence = AddString(builder, provenance.licence);
  const auto recipe = AddString(builder, provenance.recipe);
  const auto tool = builder->CreateString(std::string("cllm ") + cllm_version());
  return schema::CreateProvenance(*builder, source, licence, recipe, tool);
}

// Rooms for the default limits and for one token at a time.
Offset<flatbuffers::Vector<Offset<schema::MemoryPlan>>> AddPlans(FlatBufferBuilder* builder,
                                                                 const Config& config) {
  std::vector<Offset<schema::MemoryPlan>> plans;
  for (const uint32_t batch : {0u, 1u}) {
    const cllm_limits limits = {sizeof(cllm_limits), 0, batch, 0, CLLM_KV_F32, 0};
    SessionPlan plan;
    if (PlanSession(config, &limits, &plan) != CLLM_OK) continue;
    plans.push_back(schema::CreateMemoryPlan(*builder, plan.limits.context, plan.limits.batch, CLLM_KV_F32,
                                             plan.room_bytes));
  }
  return builder->CreateVector(plans);
}

}  // namespace

std::string BuildHead(const Checkpoint& checkpoint, const Config& config, const WeightFormats& formats,
                      const HeadEntries& entries) {
  FlatBufferBuilder builder;
  const auto stored_config = AddConfig(&builder, checkpoint.architecture);
  std::vector<Offset<schema::Tensor>> tensors;
  for (uint32_t i = 0; i < TensorCount(config); ++i) {
    tensors.push_back(AddTensor(&builder, config, formats, i, entries.tensors[i]));
  }
  const auto stored_tensors = builder.CreateVector(tensors);
  const auto tokenizer = AddTokenizer(&builder, checkpoint.tokenizer, entries);
  const auto provenance = AddProvenance(&builder, checkpoint.provenance);
  const auto plans = AddPlans(&builder, config);
  const schema::Digest content_digest = ToSchema(entries.content_digest);

  schema::ModelBuilder model(builder);
  model.add_config(stored_config);
  model.add_tensors(stored_tensors);
  model.add_tokenizer(tokenizer);
  model.add_provenance(provenance);
  model.add_plans(plans);
  model.add_content_digest(&content_digest);
  model.add_file_bytes(entries.file_bytes);
  builder.FinishSizePrefixed(model.Finish(), schema::ModelIdentifier());
  return std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
}

}  // namespace cllm
