#include "converter/run/hosted_session.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "converter/import/model_file.h"

namespace cllm {

absl::StatusOr<HostedSession> HostedSession::Create(const cllm_model& model, cllm_limits limits,
                                                    const cllm_workers* workers) {
  limits.struct_size = sizeof(limits);
  uint64_t bytes = 0;
  absl::Status status = ExplainStatus(cllm_session_measure(&model, &limits, &bytes), "the session's limits");
  if (!status.ok()) return status;
  absl::StatusOr<Room> room = Room::Allocate(bytes);
  if (!room.ok()) return room.status();
  cllm_session* session = nullptr;
  status = ExplainStatus(cllm_session_create(&model, &limits, workers, room->data(), room->bytes(), &session),
                         "the session");
  if (!status.ok()) return status;
  return HostedSession(*std::move(room), session);
}

cllm_limits HostLimits(const cllm_model_info& info, cllm_kv_format kv_format) {
  cllm_limits limits{};
  limits.batch = std::min(info.context, 32u);
  limits.kv_format = kv_format;
  return limits;
}

cllm_model_info Describe(const cllm_model& model) {
  cllm_model_info info{};
  info.struct_size = sizeof(info);
  cllm_model_describe(&model, &info);
  return info;
}

}  // namespace cllm
