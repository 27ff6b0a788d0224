#include "converter/checkpoint/variant.h"
#include "converter/export/weight_formats.h"
#include "converter/inspect/device.h"
#include "converter/inspect/inspect.h"
#include "converter/json/json_text.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

using Json = nlohmann::ordered_json;

Json TokenOrNull(uint32_t token) { return token == CLLM_NO_TOKEN ? Json(nullptr) : Json(token); }

Json ConfigJson(const ModelReport& report) {
  const cllm_model_info& info = report.info;
  return {{"vocabulary_size", info.vocabulary_size},
          {"context", info.context},
          {"width", info.width},
          {"layers", info.layers},
          {"heads", info.heads},
          {"kv_heads", info.kv_heads},
          {"head_size", info.head_size},
          {"hidden", info.hidden},
          {"norm_epsilon", report.norm_epsilon},
          {"rope_pairs", report.rope_pairs == RopePairs::kAdjacent ? "adjacent" : "halves"},
          {"tied_head", info.tied_head != 0},
          {"norm", NormWords(report.variant.norm)},
          {"norm_placement", NormPlacementWords(report.variant.norm_placement)},
          {"activation", ActivationNames()[static_cast<size_t>(report.variant.activation)]},
          {"gated", report.variant.gated},
          {"position", report.variant.rope                ? "rope"
                       : report.variant.learned_positions ? "learned"
                                                          : "none"},
          {"rotary_size", report.variant.rotary(info.head_size)},
          {"query_key_value_bias", report.variant.query_key_value_bias},
          {"attention_output_bias", report.variant.attention_output_bias},
          {"feed_forward_bias", report.variant.feed_forward_bias},
          {"query_key_norm", report.variant.query_key_norm},
          {"parallel_block", report.variant.parallel_block},
          {"sliding_window", report.variant.sliding_window},
          {"sliding_window_period", report.variant.sliding_window_period},
          {"sliding_window_phase", report.variant.sliding_window_phase},
          {"window_rope", report.variant.window_rope},
          {"logit_softcap", report.variant.logit_softcap},
          {"attention_softcap", report.variant.attention_softcap},
          {"attention_scale", report.variant.attention_scale},
          {"embedding_scale", report.variant.embedding_scale},
          {"residual_scale", report.variant.residual_scale},
          {"logit_scale", report.variant.logit_scale},
          {"weights", FormatName(static_cast<Dtype>(info.weight_format))}};
}

Json TensorsJson(const ModelReport& report) {
  Json tensors = Json::array();
  for (const TensorReport& tensor : report.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"rows", tensor.rows},
                       {"columns", tensor.columns},
                       {"dtype", FormatName(tensor.dtype)},
                       {"offset", tensor.offset},
                       {"bytes", tensor.bytes},
                       {"digest_matches", tensor.digest_matches}});
  }
  return tensors;
}

Json DeviceJson(const DeviceReport& report) {
  return {{"name", report.device.name},
          {"core", report.device.core},
          {"source", report.device.source},
          {"code_bytes", report.cost.code_bytes},
          {"stack_bytes", report.cost.stack_bytes},
          {"program_bytes", report.cost.program_bytes},
          {"model_bytes", report.model_bytes},
          {"room_bytes", report.room_bytes},
          {"flash_bytes", report.flash_bytes},
          {"ram_bytes", report.ram_bytes},
          {"flash_fits", report.flash_fits},
          {"ram_fits", report.ram_fits},
          {"largest_context", report.largest_context}};
}

}  // namespace

std::string ReportJson(const ModelReport& report, const DeviceReport* device) {
  Json parts = Json::object();
  for (const PartReport& part : report.parts) parts[part.name] = part.bytes;
  Json json = {{"path", report.path},
               {"file_bytes", report.file_bytes},
               {"format_major", report.format_major},
               {"format_minor", report.format_minor},
               {"config", ConfigJson(report)},
               {"parameters", report.info.parameters},
               {"weight_bytes", report.info.weight_bytes},
               {"tokenizer",
                {{"kind", report.tokenizer},
                 {"begin_token", TokenOrNull(report.info.begin_token)},
                 {"end_token", TokenOrNull(report.info.end_token)}}},
               {"provenance",
                {{"source", report.source},
                 {"licence", report.licence},
                 {"recipe", report.recipe},
                 {"tool", report.tool}}},
               {"parts", parts},
               {"content_digest", report.content_digest},
               {"digests_match", report.digests_match},
               {"plan",
                {{"context", report.plan_context},
                 {"batch", report.plan_batch},
                 {"kv", KvName(report.plan_kv_format)},
                 {"room_bytes", report.room_bytes}}},
               {"tensors", TensorsJson(report)}};
  if (device != nullptr) json["device"] = DeviceJson(*device);
  // Bytes that are no UTF-8, which a path or a recipe may hold, become U+FFFD.
  return JsonText(json, 2);
}

}  // namespace cllm
