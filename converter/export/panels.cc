#include "converter/export/panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/bf16.h"
#include "base/layout.h"
#include "model/tensors.h"

namespace cllm {
namespace {

constexpr uint32_t kNoRow = 0xFFFFFFFFu;
constexpr uint8_t kInt8Zero = 128;
constexpr double kSmallestScale = 0x1p-50;

// The unpadded row that stored row `row` holds, or kNoRow.
uint32_t SourceRow(const Config& config, Role role, uint64_t row) {
  if (role != Role::kGateUp) return row < ShapeOf(config, role).rows ? static_cast<uint32_t>(row) : kNoRow;
  const uint64_t panel = row / kPanel;
  const uint64_t source = panel / 2 * kPanel + row % kPanel;
  if (source >= config.hidden) return kNoRow;
  return static_cast<uint32_t>(panel % 2 == 0 ? source : config.hidden + source);
}

float FloatOfBf16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

// Where an element lies: float panels [rows/16][columns][16], int8 panels [rows/16][columns/4][16][4].
uint64_t F32Place(uint64_t row, uint64_t column, uint64_t columns) {
  return (row / kPanel * columns + column) * kPanel + row % kPanel;
}
uint64_t I8Place(uint64_t row, uint64_t column, uint64_t columns) {
  const uint64_t blocks = RoundUp(columns, 4) / 4;
  return ((row / kPanel * blocks + column / 4) * kPanel + row % kPanel) * 4 + column % 4;
}

std::string PackF32(const Config& config, Role role, const FloatTensor& tensor) {
  const uint64_t stored_rows = StoredRows(config, role);
  std::vector<float> panels(F32PanelBytes(stored_rows, tensor.columns) / sizeof(float));
  for (uint64_t row = 0; row < stored_rows; ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    const float* values = &tensor.values[uint64_t{source} * tensor.columns];
    for (uint32_t k = 0; k < tensor.columns; ++k) panels[F32Place(row, k, tensor.columns)] = values[k];
  }
  return std::string(reinterpret_cast<const char*>(panels.data()), panels.size() * sizeof(float));
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
    const double scale = FloatOfBf16(scales[row]);
    for (uint32_t k = 0; k < tensor.columns; ++k) {
      // nearbyint is exact: to nearest, ties to even.
      const int quantized = static_cast<int>(std::nearbyint(values[k] / scale));
      panels[I8Place(row, k, tensor.columns)] = static_cast<char>(quantized + kInt8Zero);
    }
  }
  return panels.append(reinterpret_cast<const char*>(scales.data()), scales.size() * sizeof(uint16_t));
}

}  // namespace

uint16_t WeightScale(float max_absolute) {
  const double wanted = std::max(max_absolute / 127.0, kSmallestScale);
  float scale = static_cast<float>(wanted);
  if (scale < wanted) scale = std::nextafter(scale, INFINITY);
  return Bf16RoundUp(scale);
}

std::string PackTensor(const Config& config, Role role, const FloatTensor& tensor, Dtype format) {
  if (IsVector(role)) {
    std::string bytes(StoredBytes(config, role, Dtype::kF32), '\0');
    std::memcpy(bytes.data(), tensor.values.data(), tensor.values.size() * sizeof(float));
    return bytes;
  }
  return format == Dtype::kI8 ? PackI8(config, role, tensor) : PackF32(config, role, tensor);
}

FloatTensor UnpackTensor(const Config& config, Role role, const Tensor& stored) {
  FloatTensor tensor = {stored.rows, stored.columns, {}};
  tensor.values.resize(uint64_t{stored.rows} * stored.columns);
  if (IsVector(role)) {
    std::memcpy(tensor.values.data(), stored.data, tensor.values.size() * sizeof(float));
    return tensor;
  }
  const auto* floats = static_cast<const float*>(stored.data);
  const auto* integers = static_cast<const uint8_t*>(stored.data);
  for (uint64_t row = 0; row < StoredRows(config, role); ++row) {
    const uint32_t source = SourceRow(config, role, row);
    if (source == kNoRow) continue;
    float* values = &tensor.values[uint64_t{source} * stored.columns];
    for (uint32_t k = 0; k < stored.columns; ++k) {
      if (stored.dtype == Dtype::kF32) {
        values[k] = floats[F32Place(row, k, stored.columns)];
      } else {
        const int quantized = integers[I8Place(row, k, stored.columns)] - kInt8Zero;
        values[k] = static_cast<float>(quantized) * FloatOfBf16(stored.scales[row]);
      }
    }
  }
  return tensor;
}

}  // namespace cllm
