// What a run has beside its trainer where the initial model is one that has been trained: a teacher, and the
// points of a lattice format.
#include <utility>
#include <vector>

#include "api/distill.h"
#include "converter/import/read_model.h"
#include "converter/lattice/round_model.h"
#include "converter/train/schedule.h"
#include "converter/train/training_run.h"
#include "model/tensors.h"

namespace cllm {

// A trainer of the initial weights, which are never changed.
absl::Status TrainingRun::HireTeacher() {
  cllm_trainer_limits limits = Limits(CallSequences());
  limits.method = CLLM_SGD;  // of which it needs nothing: the smallest room
  uint64_t bytes = 0;
  absl::Status status = ExplainStatus(cllm_trainer_measure(file_.handle(), &limits, &bytes), "the teacher");
  if (!status.ok()) return status;
  absl::StatusOr<Room> room = Room::Allocate(bytes);
  if (!room.ok()) return room.status();
  teacher_room_ = *std::move(room);
  cllm_trainer* teacher = nullptr;
  cllm_status hired =
      cllm_trainer_create(file_.handle(), &limits, pool_.workers(), teacher_room_->data(), bytes, &teacher);
  if (hired == CLLM_OK) hired = cllm_trainer_distill(trainer_, teacher, options_.recipe.distillation);
  return ExplainStatus(hired, "the teacher");
}

// The matrices rounded to the lattice format, calibrated with windows of the training tokens.
RoundedTensors TrainingRun::CalibratedPoints() const {
  constexpr uint32_t kTokens = 32768;
  const Checkpoint checkpoint = ToCheckpoint(file_);
  const uint32_t length = options_.recipe.length;
  const Batch batch = RandomBatch(length, training_, begin_token_, options_.seed, 0, kTokens / length + 1);
  std::vector<std::vector<uint32_t>> windows;
  for (uint32_t i = 0; i < batch.sequences; ++i) {
    const auto first = batch.inputs.begin() + static_cast<ptrdiff_t>(i) * length;
    windows.emplace_back(first, first + length);
  }
  FineBitsByTensor matrices;
  for (const auto& [key, tensor] : checkpoint.tensors) {
    if (!IsVector(key.first)) matrices[key] = FineBits(options_.format);
  }
  RoundModelOptions rounding;
  rounding.rounding.workers = pool_.workers();
  return RoundModel(file_.model(), checkpoint, windows, matrices, rounding);
}

// Matrices of a trained model move to calibrated points, whose scales and multipliers they keep.
absl::Status TrainingRun::StartFromPoints() {
  if (!options_.trained || !IsLattice(options_.format)) return absl::OkStatus();
  const RoundedTensors points = CalibratedPoints();
  lattice_.emplace(file_.model(), trainer_, FineBits(options_.format), points, pool_.workers());
  lattice_->StartFrom(points);
  return absl::OkStatus();
}

}  // namespace cllm
