// Room: api. Translates cllm_session_* into the session room; checks pointers and sizes, computes nothing.
#include "session/session.h"

#include "api/arguments.h"
#include "api/model_view.h"
#include "cllm/cllm.h"
#include "plan/session_plan.h"

namespace {

cllm::Session* View(cllm_session* session) { return reinterpret_cast<cllm::Session*>(session); }
const cllm::Session* View(const cllm_session* session) {
  return reinterpret_cast<const cllm::Session*>(session);
}

}  // namespace

cllm_status cllm_session_measure(const cllm_model* model, const cllm_limits* limits, uint64_t* room_bytes) {
  if (cllm::AnyNull(model, room_bytes)) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  cllm::SessionPlan plan;
  CLLM_RETURN_IF_ERROR(cllm::PlanSession(view.config, limits, &plan));
  *room_bytes = plan.room_bytes;
  return CLLM_OK;
}

cllm_status cllm_session_create(const cllm_model* model, const cllm_limits* limits,
                                const cllm_workers* workers, void* room, uint64_t room_bytes,
                                cllm_session** session) {
  if (cllm::AnyNull(model, room, session)) return CLLM_NULL_ARGUMENT;
  if (workers != nullptr && workers->count > 1 && workers->run == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  return cllm::Session::Create(view, limits, workers, room, room_bytes,
                               reinterpret_cast<cllm::Session**>(session));
}

cllm_status cllm_session_feed(cllm_session* session, const uint32_t* tokens, uint32_t count) {
  if (cllm::AnyNull(session) || (tokens == nullptr && count > 0)) return CLLM_NULL_ARGUMENT;
  const cllm_stream_feed feed = {0, count, tokens};
  return View(session)->FeedStreams(&feed, 1);
}

cllm_status cllm_session_feed_streams(cllm_session* session, const cllm_stream_feed* feeds, uint32_t count) {
  if (cllm::AnyNull(session) || (feeds == nullptr && count > 0)) return CLLM_NULL_ARGUMENT;
  for (uint32_t i = 0; i < count; ++i) {
    if (feeds[i].tokens == nullptr && feeds[i].count > 0) return CLLM_NULL_ARGUMENT;
  }
  return View(session)->FeedStreams(feeds, count);
}

cllm_status cllm_session_logits(const cllm_session* session, uint32_t row, const float** logits) {
  if (cllm::AnyNull(session, logits)) return CLLM_NULL_ARGUMENT;
  return View(session)->Logits(row, logits);
}

cllm_status cllm_session_next(cllm_session* session, const cllm_sampling* sampling, uint32_t* token) {
  return cllm_session_next_stream(session, 0, sampling, token);
}

cllm_status cllm_session_next_stream(cllm_session* session, uint32_t stream, const cllm_sampling* sampling,
                                     uint32_t* token) {
  if (cllm::AnyNull(session, token)) return CLLM_NULL_ARGUMENT;
  return View(session)->Next(stream, sampling, token);
}

cllm_status cllm_session_rewind(cllm_session* session, uint32_t position) {
  return cllm_session_rewind_stream(session, 0, position);
}

cllm_status cllm_session_rewind_stream(cllm_session* session, uint32_t stream, uint32_t position) {
  if (cllm::AnyNull(session)) return CLLM_NULL_ARGUMENT;
  return View(session)->Rewind(stream, position);
}

cllm_status cllm_session_save_measure(const cllm_session* session, uint32_t stream, uint64_t* bytes) {
  if (cllm::AnyNull(session, bytes)) return CLLM_NULL_ARGUMENT;
  return View(session)->StateBytes(stream, bytes);
}

cllm_status cllm_session_save(const cllm_session* session, uint32_t stream, void* state, uint64_t capacity) {
  if (cllm::AnyNull(session, state)) return CLLM_NULL_ARGUMENT;
  return View(session)->Save(stream, state, capacity);
}

cllm_status cllm_session_restore(cllm_session* session, uint32_t stream, const void* state, uint64_t bytes) {
  if (cllm::AnyNull(session, state)) return CLLM_NULL_ARGUMENT;
  return View(session)->Restore(stream, state, bytes);
}

uint32_t cllm_session_position(const cllm_session* session) {
  return cllm_session_stream_position(session, 0);
}

uint32_t cllm_session_stream_position(const cllm_session* session, uint32_t stream) {
  return session != nullptr ? View(session)->Position(stream) : 0;
}
