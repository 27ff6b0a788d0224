// Room: converter/run. How fast a model reads and writes on this machine.
#ifndef CLLM_CONVERTER_RUN_SPEED_H_
#define CLLM_CONVERTER_RUN_SPEED_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"

namespace cllm {

struct SpeedOptions {
  uint32_t prefill_tokens = 256;  // at most the context
  uint32_t decode_tokens = 128;   // at most the context
  uint32_t forward_tokens = 100;  // at most the context
  uint32_t sequences = 8;         // of so many tokens each, in the batched forward pass
  uint32_t streams = 32;          // that decode together
  cllm_kv_format kv_format = CLLM_KV_F32;
  const cllm_workers* workers = nullptr;
};

struct SpeedResult {
  uint32_t prefill_tokens = 0;  // after the context's limit
  uint32_t decode_tokens = 0;
  uint32_t forward_tokens = 0;
  uint32_t repetitions = 0;
  double prefill_tokens_per_second = 0;  // median of the repetitions
  double decode_tokens_per_second = 0;
  double forward_tokens_per_second = 0;
  uint32_t sequences = 0;
  double batched_forward_tokens_per_second = 0;  // of all sequences together
  uint32_t streams = 0;
  double streams_tokens_per_second = 0;  // of all streams together
  uint64_t room_bytes = 0;               // of a session with the default limits
  // Of what the machine allows (roofline.h): prefill by the products of the layers, decode by bytes read.
  // Reading is measured beside each repetition of decode.
  double prefill_fraction = 0;
  double decode_fraction = 0;
};

// One warm-up, then 3 to 101 repetitions: 9 of them, and more of small models, for about a second. Prefill
// feeds all its tokens in one call from position 0; decode starts at position 0 and draws and feeds one token
// at a time, and so does each of the streams, which draw their tokens before all are fed in one call. The
// forward passes compute logits at every position, of one sequence or of several fed in one call.
absl::StatusOr<SpeedResult> MeasureSpeed(const cllm_model& model, const SpeedOptions& options);

// What a program does from its start to its first token: creates a session, feeds one token, draws the next.
absl::StatusOr<uint32_t> FirstToken(const cllm_model& model, const cllm_workers* workers);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_SPEED_H_
