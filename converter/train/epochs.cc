#include "converter/train/epochs.h"

#include "base/random.h"

namespace cllm {

uint64_t Shuffled(uint64_t i, uint64_t count, uint64_t seed, uint64_t number) {
  uint32_t half_bits = 1;
  while (half_bits < 32 && uint64_t{1} << (2 * half_bits) < count) ++half_bits;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  const uint64_t key = Random(seed, RandomStream::kData, number);
  do {
    uint64_t left = i >> half_bits, right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t next = left ^ (MixBits(key + (right << 2 | round)) & mask);
      left = right;
      right = next;
    }
    i = left << half_bits | right;
  } while (i >= count);
  return i;
}

Batch ShuffledBatch(uint32_t length, TokenSpan tokens, uint64_t seed, uint64_t first, uint32_t sequences) {
  const uint64_t windows = (tokens.size() - 1) / length;
  const uint64_t spare = tokens.size() - windows * length;  // places for the first window, at least 1
  Batch batch;
  for (uint64_t draw = first; draw < first + sequences; ++draw) {
    const uint64_t epoch = draw / windows;
    const uint64_t offset = Random(seed, RandomStream::kBatches, epoch) % spare;
    const uint64_t at = offset + Shuffled(draw % windows, windows, seed, epoch) * length;
    tokens.CopyTo(at, length, &batch.inputs);
    tokens.CopyTo(at + 1, length, &batch.targets);
  }
  batch.sequences = sequences;
  batch.counted = sequences * length;
  return batch;
}

}  // namespace cllm
