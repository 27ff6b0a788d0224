#include "converter/export/panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/bf16.h"
#include "base/layout.h"
#include "converter/lattice/nearest_plane.h"
#include "converter/quantize/int4.h"
#include "kernels/lattice.h"
#include "kernels/lattice_code.h"
#include "model/tensors.h"
#include "session/linear.h"

namespace cllm {
namespace {

constexpr uint32_t kNoRow = 0xFFFFFFFFu;
constexpr uint8_t kInt8Zero = 128;
constexpr double kSmallestScale = 0x1p-50;

// The unpadded row that stored row `row` holds, or kNoRow.
uint32_t SourceRow(const Config& config, Role role, uint64_t row) {
  if (role != Role::kGateUp) return row < ShapeOf(config, role).rows ? static_cast<uint32_t>(row) : kNoRow;
  const uint64_t inputs = config.variant.feed_forward_inputs(), panel = row / kPanel;
  const uint64_t source = panel / inputs * kPanel + row % kPanel;
  if (source >= config.hidden) return kNoRow;
  return static_cast<uint32_t>(panel % inputs * config.hidden + source);
}

// Where an element lies: base/layout.h.
uint64_t FloatPlace(uint64_t row, uint64_t column, uint64_t columns) {
  return (row / kPanel * columns + column) * kPanel + row % kPanel;
}
uint64_t I8Place(uint64_t row, uint64_t column, uint64_t columns) {
  const uint64_t blocks = RoundUp(columns, 4) / 4;
  return ((row / kPanel * blocks + column / 4) * kPanel + row % kPanel) * 4 + column % 4;
}

uint64_t I4Place(uint64_t row, uint64_t column, uint64_t columns) {
  const uint64_t units = RoundUp(columns, 8) / 8;
  return ((row / kPanel * units + column / 8) * kPanel + row % kPanel) * 4 + column % 4;
}
unsigned I4Shift(uint64_t column) { return column % 8 < 4 ? 0 : 4; }
uint64_t I4GroupPlace(uint64_t row, uint64_t column, uint64_t columns) {
  const uint64_t group = column / kI4Group;
  return (row / kPanel * I4Groups(columns) / 2 + group / 2) * 2 * kPanel + row % kPanel * 2 + group % 2;
}

// Calls body(at, source) for each hidden unit's gate and up: where it is stored, and where it is unpadded.
template <class Body>
void ForGateUp(const Config& config, const Body& body) {
  for (uint64_t row = 0; row < StoredRows(config, Role::kGateUp); ++row) {
    const uint32_t source = SourceRow(config, Role::kGateUp, row);
    if (source != kNoRow) body(row, source);
  }
}

std::string PackGateUpBias(const Config& config, const FloatTensor& bias) {
  std::vector<float> stored(StoredRows(config, Role::kGateUp));
  ForGateUp(config, [&](uint64_t at, uint32_t source) { stored[at] = bias.values[source]; });
  return std::string(reinterpret_cast<const char*>(stored.data()), stored.size() * sizeof(float));
}

// Panels of Stored, each element convert(value).
template <class Stored, class Convert>
std::string PackFloats(const Config& config, Role role, const FloatTensor& tensor, const Convert& convert) {
  const uint64_t stored_rows = StoredRows(config, role);
  std::string panels(stored_rows * tensor.columns * sizeof(Stored), '\0');
  for (uint64_t row = 0; row < stored_rows; ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    const float* values = &tensor.values[uint64_t{source} * tensor.columns];
    for (uint32_t k = 0; k < tensor.columns; ++k) {
      const Stored stored = convert(values[k]);
      std::memcpy(&panels[FloatPlace(row, k, tensor.columns) * sizeof(Stored)], &stored, sizeof(stored));
    }
  }
  return panels;
}

std::string PackI8(const Config& config, Role role, const FloatTensor& tensor) {
  const uint64_t stored_rows = StoredRows(config, role);
  std::string panels(I8PanelBytes(stored_rows, tensor.columns), static_cast<char>(kInt8Zero));
  std::vector<uint16_t> scales(stored_rows);
  for (uint64_t row = 0; row < stored_rows; ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    const float* values = &tensor.values[uint64_t{source} * tensor.columns];
    float max_absolute = 0;
    for (uint32_t k = 0; k < tensor.columns; ++k) max_absolute = std::max(max_absolute, std::abs(values[k]));
    scales[row] = WeightScale(max_absolute);
    const double scale = Bf16ToFloat(scales[row]);
    for (uint32_t k = 0; k < tensor.columns; ++k) {
      // nearbyint is exact: to nearest, ties to even.
      const int quantized = static_cast<int>(std::nearbyint(values[k] / scale));
      panels[I8Place(row, k, tensor.columns)] = static_cast<char>(quantized + kInt8Zero);
    }
  }
  return panels.append(reinterpret_cast<const char*>(scales.data()), scales.size() * sizeof(uint16_t));
}

std::string PackI4(const Config& config, Role role, const FloatTensor& tensor) {
  const uint64_t stored_rows = StoredRows(config, role), columns = tensor.columns;
  std::string panels(I4PanelBytes(stored_rows, columns), '\0');
  std::string groups(I4GroupBytes(stored_rows, columns), '\0');
  std::vector<uint16_t> scales(stored_rows);
  for (uint64_t row = 0; row < stored_rows; ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    const Int4Row packed = QuantizeInt4Row(&tensor.values[source * columns], columns);
    scales[row] = packed.scale;
    for (uint64_t k = 0; k < columns; ++k) {
      char& byte = panels[I4Place(row, k, columns)];
      byte = static_cast<char>(byte | packed.halves[k] << I4Shift(k));
      groups[I4GroupPlace(row, k, columns)] = static_cast<char>(packed.groups[k / kI4Group]);
    }
  }
  panels.append(groups);
  return panels.append(reinterpret_cast<const char*>(scales.data()), scales.size() * sizeof(uint16_t));
}

// The code of eight integers that are in it.
LatticeGroup LatticeCode(const int8_t* n, int fine_bits) {
  LatticeGroup code = {0, 0, {0, 0}};
  uint8_t m[kLatticeGroup];
  for (size_t i = 0; i < kLatticeGroup; ++i) {
    const int coarse = n[i] >> fine_bits, fine = n[i] - coarse * (1 << fine_bits);
    m[i] = static_cast<uint8_t>(coarse < 0 ? -1 - coarse : coarse);
    code.signs = static_cast<uint8_t>(code.signs | (coarse < 0 ? 1 : 0) << i);
    for (int j = 0; j < fine_bits; ++j) {
      code.fine[j] = static_cast<uint8_t>(code.fine[j] | (fine >> j & 1) << i);
    }
  }
  const auto& patterns = kLatticePatternTable.m;
  const auto same = [&](const auto& pattern) { return std::equal(m, m + kLatticeGroup, pattern); };
  code.pattern =
      static_cast<uint8_t>(std::find_if(std::begin(patterns), std::end(patterns), same) - patterns);
  return code;
}

// A row's groups and multipliers.
void PackRoundedRow(const RoundedRow& rounded, int fine_bits, uint64_t row, uint64_t columns, char* blocks,
                    char* multipliers) {
  const uint64_t count = LatticeBlocks(columns);
  for (uint64_t block = 0; block < count; ++block) {
    char* to = blocks + (row / kPanel * count + block) * LatticeBlockBytes(fine_bits);
    for (size_t group = 0; group < kLatticeBlock / kLatticeGroup; ++group) {
      const int8_t* n = &rounded.n[block * kLatticeBlock + group * kLatticeGroup];
      PackLatticeGroup(LatticeCode(n, fine_bits), fine_bits, row % kPanel, group,
                       reinterpret_cast<uint8_t*>(to));
    }
    char& indices =
        multipliers[(row / kPanel * LatticeMultiplierBytes(columns) + block / 4) * kPanel + row % kPanel];
    indices = static_cast<char>(indices | rounded.multipliers[block] << block % 4 * 2);
  }
}

// Each matrix for itself, as if its inputs were independent; fast enough for every step of training.
std::string PackLattice(const Config& config, Role role, const FloatTensor& tensor, int fine_bits) {
  RoundingOptions options;
  options.fine_bits = fine_bits;
  options.sweeps = 0;
  options.scales = 1;
  return PackRoundedRows(
      config, role,
      RoundRows(tensor.values.data(), tensor.rows, tensor.columns, PlainBasis(tensor.columns), options),
      tensor.columns, fine_bits);
}

// Column k of row `row` of an integer matrix, in units of the row's scale.
int StoredInteger(const Tensor& stored, uint64_t stored_rows, uint64_t row, uint64_t k) {
  const auto* bytes = static_cast<const uint8_t*>(stored.data);
  const uint64_t columns = stored.columns;
  if (stored.dtype == Dtype::kI8) return bytes[I8Place(row, k, columns)] - kInt8Zero;
  const uint8_t half = bytes[I4Place(row, k, columns)] >> I4Shift(k) & 15;
  return Int4Value(half, bytes[I4PanelBytes(stored_rows, columns) + I4GroupPlace(row, k, columns)]);
}

void UnpackLatticeRow(const Tensor& stored, uint64_t stored_rows, uint64_t row, float* values) {
  std::vector<float> padded(PaddedRow(stored.columns));
  DequantizeLatticeRow(LatticeOf(stored, stored_rows), row, padded.data());
  std::copy_n(padded.begin(), stored.columns, values);
}

}  // namespace

uint16_t WeightScale(float max_absolute) {
  const double wanted = std::max(max_absolute / 127.0, kSmallestScale);
  float scale = static_cast<float>(wanted);
  if (scale < wanted) scale = std::nextafter(scale, INFINITY);
  return Bf16RoundUp(scale);
}

std::string PackRoundedRows(const Config& config, Role role, const std::vector<RoundedRow>& rows,
                            uint32_t columns, int fine_bits) {
  const uint64_t stored_rows = StoredRows(config, role);
  std::string bytes(LatticePanelBytes(stored_rows, columns, fine_bits), '\0');
  std::string multipliers(stored_rows * LatticeMultiplierBytes(columns), '\0');
  std::vector<uint16_t> scales(stored_rows);
  for (uint64_t row = 0; row < stored_rows; ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    PackRoundedRow(rows[source], fine_bits, row, columns, bytes.data(), multipliers.data());
    scales[row] = rows[source].scale;
  }
  bytes.append(multipliers);
  return bytes.append(reinterpret_cast<const char*>(scales.data()), scales.size() * sizeof(uint16_t));
}

std::string PackTensor(const Config& config, Role role, const FloatTensor& tensor, Dtype format) {
  if (role == Role::kGateUpBias) return PackGateUpBias(config, tensor);
  if (IsVector(role)) {
    std::string bytes(StoredBytes(config, role, Dtype::kF32), '\0');
    for (uint64_t row = 0; row < tensor.rows; ++row) {
      std::memcpy(&bytes[row * PaddedRow(tensor.columns) * sizeof(float)],
                  &tensor.values[row * tensor.columns], tensor.columns * sizeof(float));
    }
    return bytes;
  }
  switch (format) {
    case Dtype::kBf16: return PackFloats<uint16_t>(config, role, tensor, Bf16Nearest);
    case Dtype::kI8: return PackI8(config, role, tensor);
    case Dtype::kI4: return PackI4(config, role, tensor);
    case Dtype::kLattice2:
    case Dtype::kLattice3:
    case Dtype::kLattice4: return PackLattice(config, role, tensor, FineBits(format));
    default: return PackFloats<float>(config, role, tensor, [](float value) { return value; });
  }
}

namespace {

// Adds the product of the adapter's factors to a row of the tensor, `row` as stored; a sum is rounded once.
void AddAdapter(const Adapter& adapter, uint32_t columns, uint64_t stored_rows, uint64_t row, float* values) {
  if (adapter.rank == 0) return;
  const float *inner = adapter.inner(), *outer = adapter.outer(columns);
  for (uint32_t k = 0; k < columns; ++k) {
    double sum = 0;
    for (uint32_t i = 0; i < adapter.rank; ++i) {
      sum += double{outer[i * stored_rows + row]} * double{inner[i * PaddedRow(columns) + k]};
    }
    values[k] = static_cast<float>(double{values[k]} + double{adapter.scale} * sum);
  }
}

}  // namespace

FloatTensor UnpackTensor(const Config& config, Role role, const Tensor& stored, const Adapter& adapter) {
  FloatTensor tensor = {stored.rows, stored.columns, {}};
  tensor.values.resize(uint64_t{stored.rows} * stored.columns);
  if (role == Role::kGateUpBias) {
    ForGateUp(config, [&](uint64_t at, uint32_t source) {
      tensor.values[source] = static_cast<const float*>(stored.data)[at];
    });
    return tensor;
  }
  if (IsVector(role)) {
    for (uint64_t row = 0; row < stored.rows; ++row) {
      std::memcpy(&tensor.values[row * stored.columns],
                  static_cast<const float*>(stored.data) + row * PaddedRow(stored.columns),
                  stored.columns * sizeof(float));
    }
    return tensor;
  }
  const auto* floats = static_cast<const float*>(stored.data);
  const auto* halves = static_cast<const uint16_t*>(stored.data);
  const uint64_t stored_rows = StoredRows(config, role);
  for (uint64_t row = 0; row < stored_rows; ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    float* values = &tensor.values[uint64_t{source} * stored.columns];
    if (IsLattice(stored.dtype)) UnpackLatticeRow(stored, stored_rows, row, values);
    for (uint32_t k = 0; k < stored.columns && !IsLattice(stored.dtype); ++k) {
      if (stored.dtype == Dtype::kF32) {
        values[k] = floats[FloatPlace(row, k, stored.columns)];
      } else if (stored.dtype == Dtype::kBf16) {
        values[k] = Bf16ToFloat(halves[FloatPlace(row, k, stored.columns)]);
      } else {
        const int quantized = StoredInteger(stored, stored_rows, row, k);
        values[k] = static_cast<float>(quantized) * Bf16ToFloat(stored.scales[row]);
      }
    }
    AddAdapter(adapter, stored.columns, stored_rows, row, values);
  }
  return tensor;
}

FloatTensor Rounded(const Config& config, Role role, const FloatTensor& tensor, Dtype format) {
  const std::string packed = PackTensor(config, role, tensor, format);
  Tensor stored = {};
  stored.data = packed.data();
  stored.rows = tensor.rows;
  stored.columns = tensor.columns;
  stored.dtype = format;
  if (IsInteger(format)) {
    const size_t scale_bytes = static_cast<size_t>(StoredRows(config, role)) * sizeof(uint16_t);
    stored.scales = reinterpret_cast<const uint16_t*>(packed.data() + packed.size() - scale_bytes);
  }
  return UnpackTensor(config, role, stored);
}

}  // namespace cllm
