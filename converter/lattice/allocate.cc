#include "converter/lattice/allocate.h"

namespace cllm {
namespace {

// The step of a tensor to a larger choice that lowers the loss most for each byte.
struct Step {
  size_t tensor = 0, choice = 0;
  double gain = 0;  // a byte
};

Step BestStep(const std::vector<std::vector<FormatChoice>>& tensors, const std::vector<size_t>& chosen,
              uint64_t left) {
  Step best;
  for (size_t t = 0; t < tensors.size(); ++t) {
    const FormatChoice& now = tensors[t][chosen[t]];
    for (size_t c = 0; c < tensors[t].size(); ++c) {
      const FormatChoice& then = tensors[t][c];
      if (then.bytes <= now.bytes || then.bytes - now.bytes > left) continue;
      const double gain = (now.loss - then.loss) / static_cast<double>(then.bytes - now.bytes);
      if (gain > best.gain) best = {t, c, gain};
    }
  }
  return best;
}

}  // namespace

std::vector<size_t> Allocate(const std::vector<std::vector<FormatChoice>>& tensors, uint64_t budget) {
  std::vector<size_t> chosen;
  uint64_t bytes = 0;
  for (const std::vector<FormatChoice>& choices : tensors) {
    size_t least = 0;
    for (size_t c = 1; c < choices.size(); ++c) {
      const FormatChoice &a = choices[c], &b = choices[least];
      if (a.bytes < b.bytes || (a.bytes == b.bytes && a.loss < b.loss)) least = c;
    }
    chosen.push_back(least);
    bytes += choices[least].bytes;
  }
  if (bytes > budget) return {};
  // From the smallest on, always the step with the largest gain a byte: a walk along each tensor's lower hull
  // in the order of falling prices. A step that no longer fits is passed over for smaller ones.
  for (Step step = BestStep(tensors, chosen, budget - bytes); step.gain > 0;
       step = BestStep(tensors, chosen, budget - bytes)) {
    bytes += tensors[step.tensor][step.choice].bytes - tensors[step.tensor][chosen[step.tensor]].bytes;
    chosen[step.tensor] = step.choice;
  }
  return chosen;
}

}  // namespace cllm
