// Room: converter/train. Batches that go through all of the text once an epoch, in an order of its own.
#ifndef CLLM_CONVERTER_TRAIN_EPOCHS_H_
#define CLLM_CONVERTER_TRAIN_EPOCHS_H_

#include <cstdint>

#include "converter/data/token_span.h"
#include "converter/train/schedule.h"

namespace cllm {

// Where `i` of [0, count) goes in permutation number `number` of a seed: a Feistel network of four rounds
// over the next power of four, walked until it is inside (Black and Rogaway, "Ciphers with arbitrary finite
// domains", 2002). Takes no memory, whatever the count.
uint64_t Shuffled(uint64_t i, uint64_t count, uint64_t seed, uint64_t number);

// Draws `first` and following (as for RandomBatch) of windows that do not overlap: in each epoch every token
// but those at the very ends is a target once. tokens must be longer than `length`. The epochs' windows
// begin at different offsets where the text leaves room for it.
Batch ShuffledBatch(uint32_t length, TokenSpan tokens, uint64_t seed, uint64_t first, uint32_t sequences);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_EPOCHS_H_
