// Room: converter/run. What bounds a model's speed on this machine: how fast memory is read, and how fast the
// product kernels are where memory does not matter. And what a model asks of both.
#ifndef CLLM_CONVERTER_RUN_ROOFLINE_H_
#define CLLM_CONVERTER_RUN_ROOFLINE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cllm/cllm.h"

namespace cllm {

// Reads bytes of its own with all workers (nullptr: the caller's thread), to be asked beside what it bounds,
// since other load on a machine comes and goes.
class ReadProbe {
 public:
  ReadProbe(uint64_t bytes, const cllm_workers* workers);

  // Bytes a second, in some milliseconds; from the cache that holds them.
  double Measure();

 private:
  const cllm_workers* workers_;
  uint32_t count_;
  size_t words_, repeats_;  // each worker's, and how often a call reads them
  std::vector<uint64_t> data_, sums_;
};

// Operations a second of the format's products in the first cache, by all workers together; a multiply-add
// counts two.
double ProductSpeed(uint32_t weight_format, const cllm_workers* workers);

// Bytes read for a token fed alone, at position `position`: weights once (of an embedding that is not the
// head, a row), and keys and values up to there.
double DecodeBytes(const cllm_model_info& info, cllm_kv_format kv_format, double position);

// Operations in the matrices of the layers for a token.
double LayerOperations(const cllm_model_info& info);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_ROOFLINE_H_
