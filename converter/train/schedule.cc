#include "converter/train/schedule.h"

#include <algorithm>

#include "base/random.h"
#include "cllm/cllm.h"

namespace cllm {
namespace {

constexpr double kDecayFraction = 0.2;  // of all steps

// Cosine of `turns` half turns, 0 <= turns <= 1, by its power series.
double HalfTurnCosine(double turns) {
  if (turns > 0.5) return -HalfTurnCosine(1.0 - turns);
  const double square = turns * turns * 9.869604401089358;
  double sum = 0.0;
  for (int term = 20; term > 0; term -= 2) sum = (1.0 - sum) * square / (term * (term - 1));
  return 1.0 - sum;
}

// How far the rate is above the lowest, from 1 to 0, when `done` of what follows the warm-up is done.
double HeightAbove(const Recipe& recipe, double step, double done) {
  switch (recipe.schedule) {
    case Schedule::kConstant: return 1.0;
    case Schedule::kLinear: return 1.0 - done;
    case Schedule::kWarmupStableDecay: {
      const double left = (recipe.steps - step) / recipe.steps;
      return std::clamp(left / kDecayFraction, 0.0, 1.0);
    }
    case Schedule::kCosine: break;
  }
  return 0.5 * (1.0 + HalfTurnCosine(done));
}

// The last begin token less than `length` before `offset`, or else `offset`.
uint64_t DocumentBegin(TokenSpan tokens, uint32_t begin_token, uint64_t offset, uint64_t length) {
  if (begin_token == CLLM_NO_TOKEN) return offset;
  for (uint64_t back = 0; back < length && back <= offset; ++back) {
    if (tokens[offset - back] == begin_token) return offset - back;
  }
  return offset;
}

}  // namespace

float LearningRate(const Recipe& recipe, double step) {
  const double highest = recipe.learning_rate;
  if (step < recipe.warmup_steps) return static_cast<float>(highest * (step + 1) / (recipe.warmup_steps + 1));
  const double lowest = highest * recipe.final_rate_fraction;
  const double length = recipe.steps > recipe.warmup_steps ? recipe.steps - recipe.warmup_steps : 1;
  const double done = std::min(1.0, (step - recipe.warmup_steps) / length);
  return static_cast<float>(lowest + HeightAbove(recipe, step, done) * (highest - lowest));
}

cllm_optimizer OptimizerAt(const Recipe& recipe, float rate) {
  cllm_optimizer optimizer = {};
  optimizer.struct_size = sizeof(optimizer);
  optimizer.clip = recipe.clip;
  optimizer.beta1 = recipe.beta1;
  optimizer.beta2 = recipe.beta2;
  optimizer.epsilon = recipe.epsilon;
  optimizer.momentum = recipe.momentum;
  optimizer.matrices = {rate, recipe.weight_decay};
  optimizer.embeddings = {rate, recipe.embedding_decay};
  optimizer.norms = {rate, 0.0f};
  return optimizer;
}

Batch RandomBatch(uint32_t length, TokenSpan tokens, uint32_t begin_token, uint64_t seed, uint64_t first,
                  uint32_t sequences) {
  Batch batch;
  for (uint64_t draw = first; draw < first + sequences; ++draw) {
    const uint64_t offset = Random(seed, RandomStream::kBatches, draw) % (tokens.size() - length);
    const uint64_t at = DocumentBegin(tokens, begin_token, offset, length);
    tokens.CopyTo(at, length, &batch.inputs);
    tokens.CopyTo(at + 1, length, &batch.targets);
  }
  batch.sequences = sequences;
  batch.counted = sequences * length;
  return batch;
}

Batch CoveringBatch(uint32_t length, TokenSpan tokens, uint32_t begin_token, uint32_t most,
                    uint64_t* position) {
  Batch batch;
  while (batch.sequences < most && *position + 1 < tokens.size()) {
    const uint64_t longest = std::min<uint64_t>(length, tokens.size() - 1 - *position);
    uint32_t count = 1;
    while (count < longest && (begin_token == CLLM_NO_TOKEN || tokens[*position + count] != begin_token))
      ++count;
    tokens.CopyTo(*position, count, &batch.inputs);
    tokens.CopyTo(*position + 1, count, &batch.targets);
    *position += count;
    batch.inputs.resize(batch.inputs.size() + length - count, 0);
    batch.targets.resize(batch.targets.size() + length - count, CLLM_NO_TOKEN);
    batch.counted += count;
    ++batch.sequences;
  }
  return batch;
}

}  // namespace cllm
