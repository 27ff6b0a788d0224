// Room: converter/export. Rotations in the words of config.json.
#ifndef CLLM_CONVERTER_EXPORT_HUGGING_FACE_ROPE_H_
#define CLLM_CONVERTER_EXPORT_HUGGING_FACE_ROPE_H_

#include <cstdint>
#include <vector>

#include "nlohmann/json.hpp"

namespace cllm {

struct RopeWords {
  double theta;
  nlohmann::json scaling;  // null: none
};

// Ways to say turns and a magnitude (a factor of queries and of keys), the plainest first: which of them is
// right, the importer knows. The last fits all turns that are not faster than those of a base of 1: a factor
// for each pair. No way at all for no turns.
std::vector<RopeWords> RopeCandidates(const std::vector<uint64_t>& turns, double magnitude, uint32_t context);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_HUGGING_FACE_ROPE_H_
