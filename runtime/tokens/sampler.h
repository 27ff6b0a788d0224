// Room: tokens. Draws the next token from logits. Writes only to the caller's scratch; bit-identical on every
// target: exp is the kernels' class A code, weights are summed as integers, so no order of summation matters.
#ifndef CLLM_TOKENS_SAMPLER_H_
#define CLLM_TOKENS_SAMPLER_H_

#include <cstdint>

#include "base/status.h"

namespace cllm {

// CLLM_STRUCT_SIZE, or CLLM_SAMPLING_RANGE for NaN, infinite, negative values and probabilities over 1.
Status ValidateSampling(const cllm_sampling& sampling);

// Bytes of scratch for a vocabulary, aligned to kAlignment: 12 a padded token.
uint64_t SampleScratchBytes(uint64_t vocabulary_size);

// A validated sampling's draw from logits[count], count > 0. The order is llama.cpp's: repetition penalty
// (CTRL, arXiv 1909.05858: positive logits divided, others multiplied, once a token) for the last
// repetition_window of history[history_count], top-k, top-p, min-p, temperature. Of equal logits the lower id
// ranks first; NaN ranks last. Temperature 0 and an infinite largest logit give the first in rank.
// The one random number is that of (sampling.seed, position). Errors: none.
Status Sample(const cllm_sampling& sampling, const float* logits, uint32_t count, const uint32_t* history,
              uint32_t history_count, uint32_t position, void* scratch, uint32_t* token);

// What the filters leave over, before temperature: the tests' view of Sample. Returns how many candidates
// survive, at least 1; *candidates points into the scratch, in order of rank with the first one last if top-k
// or top-p are at work, in order of id otherwise.
uint32_t FilterCandidates(const cllm_sampling& sampling, const float* logits, uint32_t count,
                          const uint32_t* history, uint32_t history_count, void* scratch,
                          const uint64_t** candidates);

// The token and the penalised logit of a candidate.
uint32_t CandidateToken(uint64_t candidate);
float CandidateLogit(uint64_t candidate);

}  // namespace cllm

#endif  // CLLM_TOKENS_SAMPLER_H_
