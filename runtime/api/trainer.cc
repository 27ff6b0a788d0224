// Room: api. Translates cllm_trainer_* into the trainer room; checks pointers, computes nothing.
#include "trainer/trainer.h"

#include "api/arguments.h"
#include "api/distill.h"
#include "api/model_view.h"
#include "cllm/cllm.h"
#include "trainer/plan.h"

namespace {

cllm::Trainer* View(cllm_trainer* trainer) { return reinterpret_cast<cllm::Trainer*>(trainer); }

}  // namespace

cllm_status cllm_trainer_measure(const cllm_model* model, const cllm_trainer_limits* limits,
                                 uint64_t* room_bytes) {
  if (cllm::AnyNull(model, limits, room_bytes)) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  cllm::TrainerPlan plan;
  CLLM_RETURN_IF_ERROR(cllm::PlanTrainer(view, *limits, &plan));
  *room_bytes = plan.room_bytes;
  return CLLM_OK;
}

cllm_status cllm_trainer_create(const cllm_model* model, const cllm_trainer_limits* limits,
                                const cllm_workers* workers, void* room, uint64_t room_bytes,
                                cllm_trainer** trainer) {
  if (cllm::AnyNull(model, limits, room, trainer)) return CLLM_NULL_ARGUMENT;
  if (workers != nullptr && workers->count > 1 && workers->run == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  return cllm::Trainer::Create(view, *limits, workers, room, room_bytes,
                               reinterpret_cast<cllm::Trainer**>(trainer));
}

cllm_status cllm_trainer_accumulate(cllm_trainer* trainer, const uint32_t* inputs, const uint32_t* targets,
                                    uint32_t sequences, uint32_t length, float weight, float* loss) {
  if (cllm::AnyNull(trainer, inputs, targets, loss)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->Accumulate(inputs, targets, sequences, length, weight, loss);
}

cllm_status cllm_trainer_regularize(cllm_trainer* trainer, const cllm_regularization* regularization) {
  if (cllm::AnyNull(trainer, regularization)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->Regularize(*regularization);
}

cllm_status cllm_trainer_distill(cllm_trainer* trainer, cllm_trainer* teacher, float share) {
  if (cllm::AnyNull(trainer)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->Distill(View(teacher), share);
}

cllm_status cllm_trainer_evaluate(cllm_trainer* trainer, const uint32_t* inputs, const uint32_t* targets,
                                  uint32_t sequences, uint32_t length, float* loss) {
  if (cllm::AnyNull(trainer, inputs, targets, loss)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->Evaluate(inputs, targets, sequences, length, loss);
}

cllm_status cllm_trainer_update(cllm_trainer* trainer, const cllm_optimizer* optimizer,
                                float* gradient_norm) {
  if (cllm::AnyNull(trainer, optimizer)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->Update(*optimizer, gradient_norm);
}

cllm_status cllm_trainer_tensor(cllm_trainer* trainer, uint32_t index, cllm_trainer_part part, float** data,
                                uint64_t* count) {
  if (cllm::AnyNull(trainer, data, count)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->Part(index, part, data, count);
}

cllm_status cllm_trainer_get_state(const cllm_trainer* trainer, cllm_trainer_state* state) {
  if (cllm::AnyNull(trainer, state)) return CLLM_NULL_ARGUMENT;
  return reinterpret_cast<const cllm::Trainer*>(trainer)->GetState(state);
}

cllm_status cllm_trainer_set_state(cllm_trainer* trainer, const cllm_trainer_state* state) {
  if (cllm::AnyNull(trainer, state)) return CLLM_NULL_ARGUMENT;
  return View(trainer)->SetState(*state);
}
