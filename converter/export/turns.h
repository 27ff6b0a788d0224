// Room: converter/export. Rotations of queries and keys as other engines want them: a base in place of turns,
// pairs that are halves apart.
#ifndef CLLM_CONVERTER_EXPORT_TURNS_H_
#define CLLM_CONVERTER_EXPORT_TURNS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// Turns a position of pair i, as a number.
double TurnsOf(const std::vector<uint64_t>& turns, size_t i);

// The turns of an architecture that rotates, which may have been given as a base.
std::vector<uint64_t> TurnsOf(const Architecture& architecture);

// The base, a whole number, that the ratio of the first two pairs' turns comes from; none if there is none.
std::optional<double> RopeBase(const std::vector<uint64_t>& turns);

// A checkpoint whose pairs are elements (2 i, 2 i + 1) of a head as one whose pairs are (i, i + half): rows
// of queries and keys, their biases and norms change places, and all that they give stays the same.
void RotateByHalves(Checkpoint* checkpoint);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_TURNS_H_
