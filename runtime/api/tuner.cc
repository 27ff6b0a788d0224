// Room: api. Translates cllm_tuner_* into the trainer room; checks pointers, computes nothing.
#include "trainer/tuner.h"

#include "api/arguments.h"
#include "api/model_view.h"
#include "cllm/cllm.h"
#include "trainer/tuner_plan.h"

namespace {

cllm::Tuner* View(cllm_tuner* tuner) { return reinterpret_cast<cllm::Tuner*>(tuner); }
const cllm::Tuner* View(const cllm_tuner* tuner) { return reinterpret_cast<const cllm::Tuner*>(tuner); }

}  // namespace

cllm_status cllm_tuner_measure(const cllm_model* model, const cllm_tuner_limits* limits,
                               cllm_tuner_info* info) {
  if (cllm::AnyNull(model, limits, info)) return CLLM_NULL_ARGUMENT;
  if (info->struct_size != sizeof(cllm_tuner_info)) return CLLM_STRUCT_SIZE;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  cllm::TunerPlan plan;
  const cllm_status status = cllm::PlanTuner(view, *limits, &plan);
  if (status != CLLM_OK && status != CLLM_ROOM_TOO_SMALL) return status;
  info->tensors = plan.tensors;
  info->recompute = plan.recompute ? 1 : 0;
  info->chunk = plan.chunk;
  info->parameters = plan.parameters;
  info->room_bytes = plan.room_bytes;
  info->state_bytes = plan.state_bytes;
  info->delta_bytes = plan.delta_bytes;
  return status;
}

cllm_status cllm_tuner_create(const cllm_model* model, const cllm_tuner_limits* limits,
                              const cllm_workers* workers, void* room, uint64_t room_bytes,
                              cllm_tuner** tuner) {
  if (cllm::AnyNull(model, limits, room, tuner)) return CLLM_NULL_ARGUMENT;
  if (workers != nullptr && workers->count > 1 && workers->run == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  return cllm::Tuner::Create(view, *limits, workers, room, room_bytes,
                             reinterpret_cast<cllm::Tuner**>(tuner));
}

cllm_status cllm_tuner_accumulate(cllm_tuner* tuner, const uint32_t* inputs, const uint32_t* targets,
                                  uint32_t length, float weight, float* loss) {
  if (cllm::AnyNull(tuner, inputs, targets, loss)) return CLLM_NULL_ARGUMENT;
  return View(tuner)->Accumulate(inputs, targets, length, weight, loss);
}

cllm_status cllm_tuner_evaluate(cllm_tuner* tuner, const uint32_t* inputs, const uint32_t* targets,
                                uint32_t length, float* loss) {
  if (cllm::AnyNull(tuner, inputs, targets, loss)) return CLLM_NULL_ARGUMENT;
  return View(tuner)->Evaluate(inputs, targets, length, loss);
}

cllm_status cllm_tuner_update(cllm_tuner* tuner, const cllm_optimizer* optimizer, float* gradient_norm) {
  if (cllm::AnyNull(tuner, optimizer)) return CLLM_NULL_ARGUMENT;
  return View(tuner)->Update(*optimizer, gradient_norm);
}

cllm_status cllm_tuner_state(const cllm_tuner* tuner, const void** state) {
  if (cllm::AnyNull(tuner, state)) return CLLM_NULL_ARGUMENT;
  *state = View(tuner)->State();
  return CLLM_OK;
}

cllm_status cllm_tuner_restore(cllm_tuner* tuner, const void* state, uint64_t state_bytes) {
  if (cllm::AnyNull(tuner, state)) return CLLM_NULL_ARGUMENT;
  return View(tuner)->Restore(state, state_bytes);
}

uint64_t cllm_tuner_steps(const cllm_tuner* tuner) { return tuner != nullptr ? View(tuner)->Steps() : 0; }

cllm_status cllm_tuner_export(const cllm_tuner* tuner, uint64_t offset, void* to, uint64_t bytes) {
  if (cllm::AnyNull(tuner) || (to == nullptr && bytes > 0)) return CLLM_NULL_ARGUMENT;
  return View(tuner)->Export(offset, static_cast<uint8_t*>(to), bytes);
}
