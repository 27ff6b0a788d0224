// Room: converter/run. What bounds a model's speed on this machine: how fast memory is read, and how fast the
// product kernels are where memory does not matter. And what a model asks of both.
#ifndef CLLM_CONVERTER_RUN_ROOFLINE_H_
#define CLLM_CONVERTER_RUN_ROOFLINE_H_

#include <cstdint>

#include "cllm/cllm.h"

namespace cllm {

// By all workers together; workers may be nullptr.
struct Roofline {
  double bytes_per_second;       // reading `bytes` again and again, so from the cache that holds them
  double operations_per_second;  // products of the format in the first cache; a multiply-add counts two
};
Roofline MeasureRoofline(uint64_t bytes, uint32_t weight_format, const cllm_workers* workers);

// Bytes read for a token fed alone, at position `position`: weights once (of an embedding that is not the
// head, a row), and keys and values up to there.
double DecodeBytes(const cllm_model_info& info, cllm_kv_format kv_format, double position);

// Operations in the matrices of the layers for a token.
double LayerOperations(const cllm_model_info& info);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_ROOFLINE_H_
