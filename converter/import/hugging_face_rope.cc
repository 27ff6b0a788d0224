#include "converter/import/hugging_face_rope.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// What a scaling does: by how much each pair turns more slowly, and a factor of queries and of keys.
struct Scaling {
  std::vector<double> slowing;
  double magnitude = 1;
};

// By how much Llama 3 slows the pair whose wave has this length in positions: not at all where it is short,
// by `factor` where it is long, and something between (the frequency's own blend) on the way.
double Llama3Slowing(const Json& scaling, double wavelength) {
  const double factor = JsonNumberOr(scaling, "factor", 8),
               context = JsonNumberOr(scaling, "original_max_position_embeddings", 8192);
  const double low = JsonNumberOr(scaling, "low_freq_factor", 1),
               high = JsonNumberOr(scaling, "high_freq_factor", 4);
  if (wavelength < context / high) return 1;
  if (wavelength > context / low) return factor;
  const double blend = (context / wavelength - low) / (high - low);
  return 1 / ((1 - blend) / factor + blend);
}

double YarnMagnitude(double factor, double scale) {
  return factor > 1 ? 0.1 * scale * std::log(factor) + 1 : 1;
}

// Pairs that turn beta_fast times or more in the original context stay, those that turn beta_slow times or
// less are slowed by the factor, and between them it is a blend, linear in the pair's number.
void YarnScaling(const Json& scaling, double theta, double context, Scaling* out) {
  const double factor = JsonNumberOr(scaling, "factor", 1);
  const double original = JsonNumberOr(scaling, "original_max_position_embeddings", context);
  const double pairs = static_cast<double>(out->slowing.size());
  const auto pair_of = [&](double rotations) {
    return pairs * std::log(original / (rotations * 2 * M_PI)) / std::log(theta);
  };
  double first = pair_of(JsonNumberOr(scaling, "beta_fast", 32)),
         last = pair_of(JsonNumberOr(scaling, "beta_slow", 1));
  if (JsonAt(scaling, "truncate") != Json(false)) first = std::floor(first), last = std::ceil(last);
  first = std::max(first, 0.0);
  last = std::min(last, 2 * pairs - 1);
  if (first == last) last += 0.001;
  for (size_t i = 0; i < out->slowing.size(); ++i) {
    const double slowed = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    out->slowing[i] = 1 / (slowed / factor + 1 - slowed);
  }
  const double scale = JsonNumberOr(scaling, "mscale", 0), all = JsonNumberOr(scaling, "mscale_all_dim", 0);
  out->magnitude = scale != 0 && all != 0 ? YarnMagnitude(factor, scale) / YarnMagnitude(factor, all)
                                          : YarnMagnitude(factor, 1);
}

// Within the original context, to which the model's is cut.
absl::Status LongRopeScaling(const Json& config, const Json& scaling, Architecture* a, Scaling* out) {
  uint32_t original = 0;
  const Json& holder = config.contains("original_max_position_embeddings") ? config : scaling;
  absl::Status status = TakeCount(holder, "original_max_position_embeddings", 0, &original);
  if (!status.ok()) return status;
  const Json& factors = JsonAt(scaling, "short_factor");
  if (!factors.is_array() || factors.size() != out->slowing.size() || original == 0)
    return Wrong("short_factor of the RoPE has not one number for each of ", out->slowing.size(), " pairs");
  for (size_t i = 0; i < factors.size(); ++i) {
    out->slowing[i] = factors[i].is_number() ? factors[i].get<double>() : 0;
  }
  const double longer = JsonNumberOr(scaling, "factor", static_cast<double>(a->context) / original);
  if (longer > 1) out->magnitude = std::sqrt(1 + std::log(longer) / std::log(static_cast<double>(original)));
  a->context = std::min(a->context, original);
  return absl::OkStatus();
}

absl::Status TakeScaling(const Json& config, const Json& scaling, Architecture* a, Scaling* out) {
  const Json& kind = scaling.contains("rope_type") ? JsonAt(scaling, "rope_type") : JsonAt(scaling, "type");
  if (kind.is_null() || kind == "default") return absl::OkStatus();
  if (kind == "linear") {
    std::fill(out->slowing.begin(), out->slowing.end(), JsonNumberOr(scaling, "factor", 1));
  } else if (kind == "llama3") {
    for (size_t i = 0; i < out->slowing.size(); ++i) {
      out->slowing[i] = Llama3Slowing(scaling, 0x1p64 / static_cast<double>(a->rope_turns[i]));
    }
  } else if (kind == "yarn") {
    YarnScaling(scaling, a->rope_theta, a->context, out);
  } else if (kind == "longrope" || kind == "su") {
    absl::Status status = LongRopeScaling(config, scaling, a, out);
    if (!status.ok()) return status;
  } else {
    return Wrong("the RoPE is scaled by ", JsonText(kind),
                 "; linear, llama3, yarn and longrope are supported so far");
  }
  out->magnitude = JsonNumberOr(scaling, "attention_factor", out->magnitude);
  return absl::OkStatus();
}

absl::Status TakeTheta(const Json& config, const Json& parameters, double* theta) {
  const char* const old = IsFamily(config, "gpt_neox") ? "rotary_emb_base" : "rope_theta";
  *theta = JsonNumberOr(parameters, "rope_theta",
                        JsonNumberOr(config, "rope_theta", JsonNumberOr(config, old, 10000)));
  const bool fine = std::isfinite(*theta) && *theta >= 1;
  return fine ? absl::OkStatus() : Wrong("rope_theta is ", *theta);
}

// Scores, not rotations, take the magnitude: the same where whole heads rotate.
absl::Status TakeMagnitude(double magnitude, Architecture* a) {
  if (!(magnitude > 0 && std::isfinite(magnitude))) return Wrong("the RoPE's magnitude is ", magnitude);
  if (magnitude == 1) return absl::OkStatus();
  Variant& variant = a->variant;
  if (variant.rotary_size != 0 || variant.window_rope)
    return Wrong(
        "the RoPE of a part of each head, or of some layers, has a magnitude, which is not supported");
  const double scale = variant.attention_scale != 0 ? double{variant.attention_scale}
                                                    : 1 / std::sqrt(static_cast<double>(a->head_size));
  variant.attention_scale = static_cast<float>(scale * magnitude * magnitude);
  return absl::OkStatus();
}

}  // namespace

// Newer files have theta and scaling in "rope_parameters", once or for each kind of layer; older ones theta
// beside "rope_scaling".
absl::Status TakeHuggingFaceRope(const Json& config, Architecture* a) {
  if (!a->variant.rope) return absl::OkStatus();
  const uint32_t rotary = a->variant.rotary(a->head_size);
  const Json& newer = JsonAt(config, "rope_parameters");
  const Json& full = newer.is_object() ? JsonAt(newer, "full_attention") : newer;
  const Json& parameters = full.is_object() ? full : newer;
  const Json& scaling = parameters.is_object() ? parameters : JsonAt(config, "rope_scaling");
  const Json none = Json::object();
  absl::Status status = TakeTheta(config, parameters.is_object() ? parameters : none, &a->rope_theta);
  if (!status.ok()) return status;
  if (a->variant.window_rope) {
    double theta = 0;
    const Json& local = newer.is_object() ? JsonAt(newer, "sliding_attention") : newer;
    const Json old = {{"rope_theta", JsonNumberOr(config, "rope_local_base_freq", 10000)}};
    status = TakeTheta(config, local.is_object() ? local : old, &theta);
    if (!status.ok()) return status;
    a->window_rope_turns = RopeTurns(theta, rotary);
  }
  a->rope_turns = RopeTurns(a->rope_theta, rotary);
  Scaling change;
  change.slowing.assign(a->rope_turns.size(), 1);
  status = TakeScaling(config, scaling.is_object() ? scaling : none, a, &change);
  if (!status.ok()) return status;
  for (size_t i = 0; i < a->rope_turns.size(); ++i) {
    const double slowing = change.slowing[i];
    if (!std::isfinite(slowing) || slowing < 1) return Wrong("the factor of the RoPE is ", slowing);
    if (slowing > 1) {
      a->rope_turns[i] = static_cast<uint64_t>(std::round(static_cast<double>(a->rope_turns[i]) / slowing));
    }
  }
  if (absl::Status s = TakeMagnitude(change.magnitude, a); !s.ok()) return s;
  if (IsFamily(config, "smollm3") && a->variant.window_rope) {
    a->window_rope_turns = a->rope_turns;
    std::fill(a->rope_turns.begin(), a->rope_turns.end(), 0);
  }
  return absl::OkStatus();
}

}  // namespace cllm
