#include "converter/train/rounded_weights.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/workers.h"
#include "converter/export/panels.h"
#include "model/tensors.h"

namespace cllm {

RoundedWeights::RoundedWeights(const Model& model, cllm_trainer* trainer, Dtype format,
                               LatticeWeights* lattice, const cllm_workers* workers)
    : lattice_(lattice) {
  if (lattice_ != nullptr) lattice_->Round();
  if (lattice_ != nullptr || format == Dtype::kF32) return;
  std::vector<TableEntry> entries;
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    TableEntry entry = TensorAt(model, i);
    if (IsVector(entry.role)) continue;
    float* weights = nullptr;
    uint64_t count = 0;
    cllm_trainer_tensor(trainer, i, CLLM_TRAINER_WEIGHT, &weights, &count);
    entry.tensor.data = weights;
    entries.push_back(entry);
    matrices_.push_back({weights, std::vector<float>(weights, weights + count)});
  }
  ParallelFor(workers, static_cast<uint32_t>(entries.size()), [&](uint32_t i) {
    const TableEntry& entry = entries[i];
    const FloatTensor own = UnpackTensor(model.config, entry.role, entry.tensor);
    const FloatTensor rounded = Rounded(model.config, entry.role, own, format);
    const std::string packed = PackTensor(model.config, entry.role, rounded, Dtype::kF32);
    std::memcpy(matrices_[i].weights, packed.data(), packed.size());
  });
}

RoundedWeights::~RoundedWeights() {
  if (lattice_ != nullptr) lattice_->Restore();
  for (const Matrix& matrix : matrices_) std::copy(matrix.own.begin(), matrix.own.end(), matrix.weights);
}

}  // namespace cllm
