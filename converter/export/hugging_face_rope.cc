#include "converter/export/hugging_face_rope.h"

#include <algorithm>
#include <cmath>

#include "converter/checkpoint/checkpoint.h"
#include "converter/export/turns.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// By how much pair i is slower; a whole number that is next to it, if the two differ by rounding only.
double Slowing(const std::vector<uint64_t>& base, const std::vector<uint64_t>& turns, size_t i) {
  const double slowing = static_cast<double>(base[i]) / static_cast<double>(turns[i]);
  const double whole = std::round(slowing);
  return std::abs(slowing - whole) < 1e-9 * whole ? whole : slowing;
}

// The number that the importer divides by to get these very turns, where one of its neighbours is it.
double ExactSlowing(double base, double turns) {
  const double slowing = base / turns;
  for (const double each : {slowing, std::nextafter(slowing, 0.0), std::nextafter(slowing, INFINITY)}) {
    if (each >= 1 && std::round(base / each) == turns) return each;
  }
  return std::max(slowing, 1.0);
}

// LongRoPE's own form, the same for short texts and for long ones.
Json FactorForEachPair(const std::vector<uint64_t>& base, const std::vector<uint64_t>& turns,
                       double magnitude, uint32_t context) {
  Json factors = Json::array();
  for (size_t i = 0; i < turns.size(); ++i)
    factors.push_back(ExactSlowing(static_cast<double>(base[i]), static_cast<double>(turns[i])));
  return {{"rope_type", "longrope"},       {"short_factor", factors},
          {"long_factor", factors},        {"factor", 1.0},
          {"attention_factor", magnitude}, {"original_max_position_embeddings", context}};
}

}  // namespace

std::vector<RopeWords> RopeCandidates(const std::vector<uint64_t>& turns, double magnitude,
                                      uint32_t context) {
  std::vector<RopeWords> candidates;
  if (turns.empty()) return candidates;
  for (const uint64_t each : turns) {
    if (each == 0) return candidates;
  }
  const auto rotary = static_cast<uint32_t>(2 * turns.size());
  const double theta = RopeBase(turns).value_or(10000.0);
  const std::vector<uint64_t> base = RopeTurns(theta, rotary);
  const double first = Slowing(base, turns, 0), last = Slowing(base, turns, turns.size() - 1);
  if (magnitude == 1) {
    candidates.push_back({theta, Json()});
    candidates.push_back({theta, {{"rope_type", "linear"}, {"factor", first}}});
    candidates.push_back({theta,
                          {{"rope_type", "llama3"},
                           {"factor", last},
                           {"low_freq_factor", 1.0},
                           {"high_freq_factor", 4.0},
                           {"original_max_position_embeddings", 8192}}});
  }
  candidates.push_back({theta,
                        {{"rope_type", "yarn"},
                         {"factor", last},
                         {"attention_factor", magnitude},
                         {"original_max_position_embeddings", static_cast<uint32_t>(context / last)}}});
  for (const double any : {theta, 10000.0, 1.0})
    candidates.push_back({any, FactorForEachPair(RopeTurns(any, rotary), turns, magnitude, context)});
  return candidates;
}

}  // namespace cllm
