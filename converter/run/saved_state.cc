#include "converter/run/saved_state.h"

#include <cstring>

#include "converter/import/model_file.h"

namespace cllm {

absl::StatusOr<std::string> SaveState(const cllm_session* session) {
  uint64_t bytes = 0;
  std::string state;
  cllm_status status = cllm_session_save_measure(session, 0, &bytes);
  if (status == CLLM_OK) {
    state.resize(bytes);
    status = cllm_session_save(session, 0, state.data(), bytes);
  }
  if (status != CLLM_OK) return ExplainStatus(status, "saving the state");
  return state;
}

absl::Status RestoreState(cllm_session* session, std::string_view state, uint32_t* last) {
  *last = CLLM_NO_TOKEN;
  absl::Status status =
      ExplainStatus(cllm_session_restore(session, 0, state.data(), state.size()), "the saved state");
  if (!status.ok()) return status;
  const uint32_t count = cllm_session_position(session);
  // schemas/STATE.md: tokens from byte 128 on.
  if (count > 0) std::memcpy(last, state.data() + 128 + sizeof(*last) * (count - 1), sizeof(*last));
  return absl::OkStatus();
}

}  // namespace cllm
