// Dropout and label smoothing, where the other files of the trainer call for them.
#include <cstring>

#include "base/layout.h"
#include "kernels/vector.h"
#include "trainer/trainer.h"

namespace cllm {
namespace {

bool IsShare(float x) { return x >= 0.0f && x < 1.0f; }

}  // namespace

Status Trainer::Regularize(const cllm_regularization& regularization) {
  if (regularization.struct_size != sizeof(regularization)) return CLLM_STRUCT_SIZE;
  if (!IsShare(regularization.dropout) || !IsShare(regularization.label_smoothing))
    return CLLM_OPTIMIZER_RANGE;
  dropout_ = MakeDropout(regularization.seed, regularization.dropout);
  label_smoothing_ = regularization.label_smoothing;
  sequence_ = regularization.sequence;
  return CLLM_OK;
}

// Calls body(counter, at) for rows [begin, end) of the band: the first draw for place `place` of the row's
// token, and where the row begins in a buffer of the residual stream's shape. Place 0 is the embedding, half
// + 1 what a half adds.
template <class Body>
void Trainer::ForDroppedRows(size_t place, const Band& band, const Body& body) const {
  const size_t length = band.batch.length;
  const uint64_t places = 2 * uint64_t{model_.config.layers} + 1;
  const uint64_t draws = DropoutDraws(shape_.width);
  ForRanges(band.workers, band.batch.count(), shape_.width * 4, [&](size_t begin, size_t end) {
    for (size_t row = band.row() + begin; row < band.row() + end; ++row) {
      const uint64_t token = (sequence_ + row / length) * model_.config.context + row % length;
      body((token * places + place) * draws, row * shape_.width_stride);
    }
  });
}

void Trainer::DropEmbedded(const Band& band, float* x) const {
  if (dropout_.threshold == 0) return;
  ForDroppedRows(0, band, [&](uint64_t counter, size_t at) {
    DropRow(dropout_, counter, x + at, shape_.width, x + at);
  });
}

void Trainer::DropAdded(size_t half, size_t rows, const Band& band) const {
  if (dropout_.threshold == 0) return;
  const float* before = Residual(half, rows);
  float* after = Residual(half + 1, rows);
  ForDroppedRows(half + 1, band, [&](uint64_t counter, size_t at) {
    DropChange(dropout_, counter, before + at, shape_.width, after + at);
  });
}

// Into the residual stream behind the half, which nothing needs any more.
void Trainer::DropAddedBackward(size_t half, size_t rows, const Band& band) const {
  const float* d_residual = Floats(plan_.d_residual);
  const float scale = shape_.variant.residual_scale;
  if (AddedGradient(half, rows) == d_residual) return;
  float* d_added = Residual(half + 1, rows);
  ForDroppedRows(half + 1, band, [&](uint64_t counter, size_t at) {
    if (dropout_.threshold != 0) {
      DropRow(dropout_, counter, d_residual + at, shape_.width, d_added + at);
    } else {
      std::memcpy(d_added + at, d_residual + at, shape_.width_stride * sizeof(float));
    }
    if (scale != 1.0f) Scale(scale, shape_.width_stride, d_added + at);
  });
}

}  // namespace cllm
