#include "converter/train/train.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cllm/cllm.h"
#include "converter/checkpoint/batch_norm.h"
#include "converter/export/panels.h"
#include "converter/export/sha256.h"
#include "converter/export/write_model.h"
#include "converter/train/sequences_at_once.h"
#include "converter/train/training_run.h"

namespace cllm {

double TrainingRun::Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

// Gives the memory of the weights, which the trainer has copied, back to the system. `file` is a copy of its
// own in memory; the weights read as zeros from then on.
void DropWeights(const ModelFile& file) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    const auto first = reinterpret_cast<uintptr_t>(entry.tensor.data);
    const uintptr_t begin = (first + page - 1) / page * page;
    const uintptr_t end = (first + static_cast<uintptr_t>(entry.bytes)) / page * page;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace

cllm_trainer_limits TrainingRun::Limits(uint32_t sequences) const {
  const Recipe& recipe = options_.recipe;
  return {sizeof(cllm_trainer_limits), sequences, recipe.length, static_cast<uint32_t>(recipe.method),
          static_cast<uint32_t>(recipe.precision)};
}

absl::Status TrainingRun::PlanRoom() {
  const absl::StatusOr<uint32_t> at_once = SequencesAtOnce(file_.handle(), Limits(CallSequences()));
  if (!at_once.ok()) return at_once.status();
  at_once_ = *at_once;
  const cllm_trainer_limits limits = Limits(CallSequences());
  return ExplainStatus(cllm_trainer_measure(file_.handle(), &limits, &room_bytes_), "the training recipe");
}

absl::Status TrainingRun::Start(TokenSpan tokens) {
  const Recipe& recipe = options_.recipe;
  cllm_model_info info{};
  info.struct_size = sizeof(info);
  if (cllm_status status = cllm_model_describe(file_.handle(), &info); status != CLLM_OK) {
    return ExplainStatus(status, "the model to be trained");
  }
  begin_token_ = info.begin_token;
  const bool apart = options_.validation.size() > 0;
  const double fraction = apart ? 0 : options_.validation_fraction;
  const size_t held_out = static_cast<size_t>(static_cast<double>(tokens.size()) * fraction);
  training_ = tokens.subspan(0, tokens.size() - held_out);
  validation_ = apart ? options_.validation : tokens.subspan(tokens.size() - held_out);
  if (training_.size() <= recipe.length) {
    return absl::InvalidArgumentError(
        absl::StrCat("the training text has ", training_.size(), " tokens; a window needs ",
                     recipe.length + 1, ". Give more text, or a configuration with shorter windows."));
  }
  absl::Status status = PlanRoom();
  if (!status.ok()) return status;
  const cllm_trainer_limits limits = Limits(CallSequences());
  absl::StatusOr<Room> room = Room::Allocate(room_bytes_);
  if (!room.ok()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("training takes ", room_bytes_ / 1000000,
                     " MB of memory, which cannot be had. Use a smaller batch."));
  }
  room_ = *std::move(room);
  start_ = Now();
  status = ExplainStatus(
      cllm_trainer_create(file_.handle(), &limits, pool_.workers(), room_->data(), room_bytes_, &trainer_),
      "the trainer");
  if (!status.ok()) return status;
  if (status = StartFromPoints(); status.ok() && recipe.distillation > 0) status = HireTeacher();
  if (!status.ok()) return status;
  DropWeights(file_);
  if (recipe.average > 0) {
    const absl::Span<const float> weights = Part(CLLM_TRAINER_WEIGHT);
    average_.assign(weights.begin(), weights.end());
  }
  if (options_.resume != nullptr) status = Resume(*options_.resume);
  if (status.ok()) good_ = State();
  return status;
}

bool TrainingRun::Finished() const {
  const uint64_t patient_steps = uint64_t{options_.patience} * options_.evaluation_interval;
  if (patient_steps != 0 && best_step_ != 0 && step_ >= best_step_ + patient_steps) return true;
  if (options_.minutes > 0) return Clock() >= options_.minutes * 60;
  return step_ >= options_.recipe.steps;
}

// Where the schedule is: a run by minutes goes through it by the clock.
double TrainingRun::ScheduleStep() const {
  if (options_.minutes <= 0) return step_;
  return Clock() / (options_.minutes * 60) * options_.recipe.steps;
}

void TrainingRun::Report(const std::function<void(const TrainProgress&)>& progress) {
  const Recipe& recipe = options_.recipe;
  report_.step = step_;
  report_.seconds = Now() - start_;
  const double elapsed = Elapsed();
  const double per_step = step_ != 0 ? elapsed / step_ : 0;
  if (options_.minutes > 0) {
    report_.seconds_left = std::max(0.0, options_.minutes * 60 - elapsed);
    report_.steps = per_step > 0 ? step_ + static_cast<uint32_t>(report_.seconds_left / per_step) : 0;
  } else {
    report_.steps = recipe.steps;
    report_.seconds_left = per_step * (recipe.steps - step_);
  }
  report_.tokens_per_second = elapsed > 0 ? double(step_) * StepTokens() / elapsed : 0;
  if (loss_count_ != 0) report_.loss = static_cast<float>(loss_sum_ / loss_count_);
  loss_sum_ = 0;
  loss_count_ = 0;
  if (progress) progress(report_);
}

absl::Status TrainingRun::Steps(const std::function<void(const TrainProgress&)>& progress) {
  double reported = Now();
  while (!Finished() && !Stopped()) {
    float loss = 0;
    if (absl::Status status = StepOrReturn(&loss); !status.ok()) return status;
    const uint32_t interval = options_.evaluation_interval;
    report_.evaluated =
        !report_.went_back && interval != 0 && step_ % interval == 0 && validation_.size() > 1;
    if (report_.evaluated) {
      if (absl::Status status = EvaluateAndNote(); !status.ok()) return status;
    }
    if (!report_.went_back) KeepState();
    const bool due =
        options_.report_interval != 0 ? step_ % options_.report_interval == 0 : Now() - reported >= 1;
    if (due || report_.evaluated || report_.went_back || Finished()) {
      Report(progress);
      reported = Now();
    }
  }
  return absl::OkStatus();
}

TrainResult TrainingRun::Result(Checkpoint initial) {
  good_ = TrainingState();
  TrainResult result;
  result.steps = step_;
  result.best_step = best_step_ != 0 ? best_step_ : step_;
  result.training_loss = report_.loss;
  result.training_tokens = step_ * StepTokens();
  result.seconds = Now() - start_;
  const double elapsed = Elapsed();
  result.tokens_per_second = elapsed > 0 ? static_cast<double>(result.training_tokens) / elapsed : 0;
  result.room_bytes = room_bytes_;
  result.checkpoint = std::move(initial);
  const Model& model = file_.model();
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    TableEntry entry = TensorAt(model, i);
    float* data = nullptr;
    uint64_t count = 0;
    cllm_trainer_tensor(trainer_, i, CLLM_TRAINER_WEIGHT, &data, &count);
    entry.tensor.data = data;
    result.checkpoint.tensors[{entry.role, entry.layer}] =
        UnpackTensor(model.config, entry.role, entry.tensor);
  }
  if (lattice_.has_value()) result.rounded = lattice_->Points();
  FoldBatchNorms(&result.checkpoint);
  return result;
}

namespace {

absl::Status CheckOptions(const TrainOptions& options, const Checkpoint& initial, TokenSpan tokens) {
  const Recipe& recipe = options.recipe;
  if (recipe.batch == 0 || recipe.accumulate == 0 || recipe.length == 0 ||
      recipe.length > initial.architecture.context) {
    return absl::InvalidArgumentError(
        absl::StrCat("batches of ", recipe.batch, " windows of ", recipe.length,
                     " tokens: both must be positive, and a window at most the context of ",
                     initial.architecture.context));
  }
  if (const uint64_t sequences = uint64_t{recipe.batch} * recipe.accumulate;
      recipe.segments == 0 || recipe.segments > sequences) {
    return absl::InvalidArgumentError(absl::StrCat(recipe.segments, " segments of a step: there may be 1 to ",
                                                   sequences, ", its sequences"));
  }
  if (!(options.validation_fraction >= 0 && options.validation_fraction < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the validation fraction is ", options.validation_fraction, "; it must be in [0, 1)"));
  }
  if (options.ranks != nullptr && options.ranks->count() > 1 &&
      initial.architecture.variant.norm == Norm::kBatch) {
    return absl::InvalidArgumentError(
        "batch norms have statistics of the batches that one process sees: train in one process, or with "
        "layer "
        "or RMS norms");
  }
  if (options.recipe.distillation > 0 && !options.trained) {
    return absl::InvalidArgumentError("there is nobody to distil from: start from a trained model (--init)");
  }
  if (options.format != Dtype::kF32 && initial.architecture.variant.norm == Norm::kBatch) {
    return absl::InvalidArgumentError(
        "batch norms are folded into the matrices at the end, which would round them anew: train for a "
        "narrow "
        "format with layer or RMS norms");
  }
  if (!(options.minutes >= 0)) return absl::InvalidArgumentError("minutes must not be negative");
  for (const TokenSpan& part : {tokens, options.validation}) {
    for (size_t i = 0; i < part.size(); ++i) {
      if (part[i] < initial.architecture.vocabulary_size) continue;
      return absl::InvalidArgumentError(absl::StrCat("token ", i, " of the data has id ", part[i],
                                                     "; the model's vocabulary has ",
                                                     initial.architecture.vocabulary_size));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> InitialBytes(const TrainOptions& options, const Checkpoint& initial,
                                         TokenSpan tokens) {
  if (absl::Status status = CheckOptions(options, initial, tokens); !status.ok()) return status;
  return WriteModelToString(initial, Dtype::kF32);
}

void AddTokens(TokenSpan tokens, Sha256Stream* digest) {
  std::vector<uint32_t> block;
  for (size_t i = 0; i < tokens.size(); i += block.size()) {
    block.clear();
    tokens.CopyTo(i, std::min<size_t>(tokens.size() - i, 1 << 16), &block);
    digest->Add({reinterpret_cast<const char*>(block.data()), block.size() * sizeof(uint32_t)});
  }
}

// Ranks whose files or versions differ would compute gradients of different things.
absl::Status CheckSameInputs(const TrainOptions& options, const std::string& model, TokenSpan tokens) {
  Sha256Stream data;
  AddTokens(tokens, &data);
  AddTokens(options.validation, &data);
  absl::Status status = AgreeOn(*options.ranks, Hexadecimal(data.Finish()), "training data");
  if (!status.ok()) return status;
  return AgreeOn(*options.ranks, Hexadecimal(Sha256(model)), "first weights or options");
}

absl::StatusOr<ModelFile> OpenInitial(const TrainOptions& options, const Checkpoint& initial,
                                      TokenSpan tokens) {
  const absl::StatusOr<std::string> bytes = InitialBytes(options, initial, tokens);
  if (absl::Status status = Agree(options.ranks, bytes.status()); !status.ok()) return status;
  if (options.ranks != nullptr) {
    if (absl::Status status = CheckSameInputs(options, *bytes, tokens); !status.ok()) return status;
  }
  return ModelFile::FromBytes(*bytes, "the initial model");
}

}  // namespace

absl::StatusOr<TrainResult> Train(const TrainOptions& options, Checkpoint initial, TokenSpan tokens,
                                  const std::function<void(const TrainProgress&)>& progress) {
  absl::StatusOr<ModelFile> file = OpenInitial(options, initial, tokens);
  if (!file.ok()) return file.status();
  initial.tensors.clear();
  TrainingRun run(options, *std::move(file));
  if (absl::Status status = Agree(options.ranks, run.Start(tokens)); !status.ok()) return status;
  if (absl::Status status = run.Steps(progress); !status.ok()) return status;
  const bool interrupted = run.Stopped();
  run.TakeAverage();
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  uint64_t validation_tokens = 0;
  if (!interrupted) {
    absl::Status status = run.EvaluateAll(&validation_loss, &validation_tokens);
    if (!status.ok()) return status;
    run.TakeBest(&validation_loss);
  }
  TrainResult result = run.Result(std::move(initial));
  result.interrupted = interrupted;
  result.validation_loss = validation_loss;
  result.validation_tokens = validation_tokens;
  return result;
}

}  // namespace cllm
