#include "kernels/input_gradient.h"

#include <cstring>

#include "base/layout.h"
#include "kernels/gemm.h"
#include "kernels/int4.h"
#include "kernels/int8.h"
#include "kernels/lattice.h"
#include "kernels/vector.h"
#include "tests/kernels/every_target.h"

namespace cllm {
namespace {

using testing::CheckSameBits;
using testing::Numbers;
using testing::OnEveryTarget;

// A stored matrix of random bits, and the floats it stands for by the kernels that read rows.
struct Stored {
  Stored(StoredFormat format, size_t stored_rows, size_t column_count)
      : rows(stored_rows), columns(column_count) {
    const size_t bytes = rows * RoundUp(columns, 64) * 4;
    for (size_t i = 0; i < bytes; ++i) weights.push_back(static_cast<uint8_t>(Random(3, 4, i)));
    for (size_t i = 0; i < rows; ++i) scales.push_back(static_cast<uint16_t>(0x3C00 + i));
    const std::vector<float> floats = Numbers(9, rows * columns);
    std::vector<uint16_t> halves;
    for (const float x : floats) halves.push_back(static_cast<uint16_t>(testing::Bits(x) >> 16));
    if (format == StoredFormat::kF32) std::memcpy(weights.data(), floats.data(), floats.size() * 4);
    if (format == StoredFormat::kBf16) std::memcpy(weights.data(), halves.data(), halves.size() * 2);
    matrix = {format, weights.data(), nullptr, scales.data(), rows, columns};
    matrix.group_scales = weights.data() + (FineBits() >= 0 ? LatticePanelBytes(rows, columns, FineBits())
                                                            : I4PanelBytes(rows, columns));
  }
  // Of a lattice; else negative.
  int FineBits() const { return static_cast<int>(matrix.format) - static_cast<int>(StoredFormat::kLattice2); }
  std::vector<float> Row(size_t row) const {
    std::vector<float> out(PaddedRow(columns) + 8);
    const auto* bytes = weights.data();
    switch (matrix.format) {
      case StoredFormat::kI8: DequantizeRow(bytes, scales.data(), columns, row, out.data()); break;
      case StoredFormat::kI4:
        DequantizeInt4Row(bytes, matrix.group_scales, scales.data(), columns, row, out.data());
        break;
      case StoredFormat::kLattice2:
      case StoredFormat::kLattice3:
      case StoredFormat::kLattice4:
        DequantizeLatticeRow({FineBits(), bytes, matrix.group_scales, scales.data(), columns}, row,
                             out.data());
        break;
      case StoredFormat::kBf16:
        GatherBf16Row(static_cast<const uint16_t*>(matrix.weights), columns, row, out.data());
        break;
      default: GatherRow(static_cast<const float*>(matrix.weights), columns, row, out.data());
    }
    return out;
  }
  size_t rows, columns;
  std::vector<uint8_t> weights;
  std::vector<uint16_t> scales;
  StoredMatrix matrix;
};

TEST_CASE("input gradients have the bits of the product with the transposed floats") {
  for (const StoredFormat format :
       {StoredFormat::kF32, StoredFormat::kBf16, StoredFormat::kI8, StoredFormat::kI4,
        StoredFormat::kLattice2, StoredFormat::kLattice3, StoredFormat::kLattice4}) {
    CAPTURE(static_cast<int>(format));
    for (size_t columns : {1, 4, 12, 16, 21, 33, 64, 100}) {
      const Stored stored(format, 48, columns);
      const size_t padded = PaddedRow(columns), dy_stride = 64;
      std::vector<float> transposed(padded * 48);
      for (size_t n = 0; n < 48; ++n) {
        const std::vector<float> row = stored.Row(n);
        for (size_t k = 0; k < columns; ++k) transposed[(k / 16 * 48 + n) * 16 + k % 16] = row[k];
      }
      for (size_t rows : {1, 4, 7}) {
        const std::vector<float> dy = Numbers(5, rows * dy_stride);
        std::vector<float> want(rows * padded, 7.0f);
        GemmF32({dy.data(), dy_stride, 1, transposed.data(), 48 * 16, 16, want.data(), padded, 16, rows, 48,
                 0, padded / 16, false});
        OnEveryTarget([&](const std::string&) {
          std::vector<float> got(rows * padded, 7.0f);
          MultiplyTransposed(stored.matrix, {dy.data(), dy_stride, got.data(), padded, rows, 0, 1});
          MultiplyTransposed(stored.matrix, {dy.data(), dy_stride, got.data(), padded, rows, 1, padded / 16});
          CheckSameBits(got, want);
        });
      }
    }
  }
}

}  // namespace
}  // namespace cllm
