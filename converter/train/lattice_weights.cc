#include "converter/train/lattice_weights.h"

#include <algorithm>
#include <cstring>

#include "base/bf16.h"
#include "base/layout.h"
#include "base/ranges.h"
#include "converter/lattice/round_model.h"
#include "kernels/lattice_search.h"
#include "model/tensors.h"

namespace cllm {
namespace {

constexpr size_t kPanelMacs = size_t{1} << 20;  // of a panel's search, about: for cutting the work

// Row scales [rows][1] and multipliers [rows][blocks], in the panels of the matrix.
AlignedFloats PackScales(const Config& config, Role role, const std::vector<RoundedRow>& rows) {
  FloatTensor scales = {static_cast<uint32_t>(rows.size()), 1, {}};
  for (const RoundedRow& row : rows) scales.values.push_back(Bf16ToFloat(row.scale));
  return AlignedFloats(PackTensor(config, role, scales, Dtype::kF32));
}

AlignedFloats PackMultipliers(const Config& config, Role role, const std::vector<RoundedRow>& rows) {
  const size_t blocks = rows[0].multipliers.size();
  FloatTensor multipliers = {static_cast<uint32_t>(rows.size()), static_cast<uint32_t>(blocks), {}};
  for (const RoundedRow& row : rows) {
    for (const uint8_t index : row.multipliers)
      multipliers.values.push_back(static_cast<float>(kLatticeMultipliers[index]));
  }
  return AlignedFloats(PackTensor(config, role, multipliers, Dtype::kF32));
}

// Panels [panels][columns][16] of floats as the tensor that they were packed from.
FloatTensor Unpacked(const Config& config, Role role, uint32_t rows, size_t columns, const float* panels) {
  Tensor stored = {};
  stored.data = panels;
  stored.rows = rows;
  stored.columns = static_cast<uint32_t>(columns);
  stored.dtype = Dtype::kF32;
  return UnpackTensor(config, role, stored);
}

}  // namespace

LatticeWeights::LatticeWeights(const Model& model, cllm_trainer* trainer, int fine_bits,
                               const RoundedTensors& start, const cllm_workers* workers)
    : config_(model.config), fine_bits_(fine_bits), workers_(workers), first_panels_({0}) {
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    const auto found = start.find({entry.role, entry.layer});
    if (found == start.end()) continue;
    Matrix matrix = {};
    matrix.key = found->first;
    matrix.rows = entry.tensor.rows;
    matrix.columns = entry.tensor.columns;
    uint64_t count = 0;
    cllm_trainer_tensor(trainer, i, CLLM_TRAINER_WEIGHT, &matrix.weights, &count);
    matrix.panels = static_cast<size_t>(count) / (kPanel * matrix.columns);
    matrix.blocks = LatticeBlocks(matrix.columns);
    matrix.own = AlignedFloats(static_cast<size_t>(count));
    matrix.scales = PackScales(config_, entry.role, found->second);
    matrix.multipliers = PackMultipliers(config_, entry.role, found->second);
    first_panels_.push_back(first_panels_.back() + matrix.panels);
    matrices_.push_back(std::move(matrix));
  }
}

void LatticeWeights::StartFrom(const RoundedTensors& start) {
  for (const Matrix& matrix : matrices_) {
    const std::vector<RoundedRow>& rows = start.at(matrix.key);
    const std::string panels =
        PackTensor(config_, matrix.key.first, Dequantized(rows, matrix.columns), Dtype::kF32);
    std::memcpy(matrix.weights, panels.data(), panels.size());
  }
}

void LatticeWeights::RoundPanel(const Matrix& matrix, size_t panel, const float* from, float* to,
                                int8_t* n) const {
  const size_t at = panel * matrix.columns * kPanel;
  RoundLatticePanel({fine_bits_, matrix.columns, matrix.scales.data() + panel * kPanel,
                     matrix.multipliers.data() + panel * matrix.blocks * kPanel},
                    from + at, to + at, n);
}

void LatticeWeights::Round() {
  for (Matrix& matrix : matrices_)
    std::memcpy(matrix.own.data(), matrix.weights, matrix.panels * matrix.columns * kPanel * sizeof(float));
  ForRanges(workers_, first_panels_.back(), kPanelMacs, [&](size_t begin, size_t end) {
    for (size_t i = 0; i < matrices_.size(); ++i) {
      const size_t first = std::max(begin, first_panels_[i]), last = std::min(end, first_panels_[i + 1]);
      for (size_t panel = first; panel < last; ++panel) {
        RoundPanel(matrices_[i], panel - first_panels_[i], matrices_[i].own.data(), matrices_[i].weights,
                   nullptr);
      }
    }
  });
}

void LatticeWeights::Restore() {
  for (const Matrix& matrix : matrices_)
    std::memcpy(matrix.weights, matrix.own.data(), matrix.panels * matrix.columns * kPanel * sizeof(float));
}

RoundedTensors LatticeWeights::Points() const {
  RoundedTensors tensors;
  for (const Matrix& matrix : matrices_) {
    const size_t places = matrix.blocks * kLatticeBlock, panel_floats = places * kPanel;
    AlignedFloats rounded(matrix.panels * matrix.columns * kPanel), integers(matrix.panels * panel_floats);
    std::vector<int8_t> n(panel_floats);
    for (size_t panel = 0; panel < matrix.panels; ++panel) {
      RoundPanel(matrix, panel, matrix.weights, rounded.data(), n.data());
      std::copy(n.begin(), n.end(), integers.data() + panel * panel_floats);
    }
    const Role role = matrix.key.first;
    const FloatTensor all = Unpacked(config_, role, matrix.rows, places, integers.data());
    const FloatTensor scales = Unpacked(config_, role, matrix.rows, 1, matrix.scales.data());
    const FloatTensor multipliers =
        Unpacked(config_, role, matrix.rows, matrix.blocks, matrix.multipliers.data());
    std::vector<RoundedRow>& rows = tensors[matrix.key];
    rows.resize(matrix.rows);
    for (size_t r = 0; r < rows.size(); ++r) {
      for (size_t k = 0; k < places; ++k)
        rows[r].n.push_back(static_cast<int8_t>(all.values[r * places + k]));
      for (size_t b = 0; b < matrix.blocks; ++b) {
        const int multiplier = static_cast<int>(multipliers.values[r * matrix.blocks + b]);
        const auto* const found =
            std::find(std::begin(kLatticeMultipliers), std::end(kLatticeMultipliers), multiplier);
        rows[r].multipliers.push_back(static_cast<uint8_t>(found - kLatticeMultipliers));
      }
      rows[r].scale = Bf16Nearest(scales.values[r]);
    }
  }
  return tensors;
}

}  // namespace cllm
