// Room: converter/run. A session's saved state as bytes on the heap.
#ifndef CLLM_CONVERTER_RUN_SAVED_STATE_H_
#define CLLM_CONVERTER_RUN_SAVED_STATE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cllm/cllm.h"

namespace cllm {

// Of stream 0. Errors: what cllm_session_save says, in words.
absl::StatusOr<std::string> SaveState(const cllm_session* session);

// Stream 0 goes on from there; *last is its last token, CLLM_NO_TOKEN for an empty one. Errors: what
// cllm_session_restore says, in words.
absl::Status RestoreState(cllm_session* session, std::string_view state, uint32_t* last);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_SAVED_STATE_H_
