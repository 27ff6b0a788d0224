// Room: converter/run. Finished models at work on the host: a session with its room, text generation, loss
// over a text, digests and speed. Heap and clocks, but no files and no printing.
#ifndef CLLM_CONVERTER_RUN_HOSTED_SESSION_H_
#define CLLM_CONVERTER_RUN_HOSTED_SESSION_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/run/room.h"

namespace cllm {

// A session and the room it lives in. The model's bytes must outlive it.
class HostedSession {
 public:
  // limits.struct_size need not be set. workers may be nullptr.
  static absl::StatusOr<HostedSession> Create(const cllm_model& model, cllm_limits limits,
                                              const cllm_workers* workers);

  cllm_session* get() const { return session_; }
  uint64_t room_bytes() const { return room_.bytes(); }

 private:
  HostedSession(Room room, cllm_session* session) : room_(std::move(room)), session_(session) {}

  Room room_;
  cllm_session* session_;
};

cllm_model_info Describe(const cllm_model& model);

// The whole context, and a batch for speed, whatever the default for the cache's format is.
cllm_limits HostLimits(const cllm_model_info& info, cllm_kv_format kv_format);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_HOSTED_SESSION_H_
