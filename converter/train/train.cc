#include "converter/train/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cllm/cllm.h"
#include "converter/export/panels.h"
#include "converter/export/write_model.h"
#include "converter/train/epochs.h"
#include "converter/train/schedule.h"
#include "converter/train/training_run.h"

namespace cllm {

double TrainingRun::Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
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
  const cllm_trainer_limits limits = {sizeof(limits), recipe.batch, recipe.length,
                                      static_cast<uint32_t>(recipe.method)};
  absl::Status status =
      ExplainStatus(cllm_trainer_measure(file_.handle(), &limits, &room_bytes_), "the training recipe");
  if (!status.ok()) return status;
  room_.reset(
      static_cast<uint8_t*>(::operator new[](room_bytes_, std::align_val_t{CLLM_ALIGNMENT}, std::nothrow)));
  if (room_ == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("training takes ", room_bytes_ / 1000000,
                     " MB of memory, which cannot be had. Use a smaller batch."));
  }
  start_ = Now();
  status = ExplainStatus(
      cllm_trainer_create(file_.handle(), &limits, pool_.workers(), room_.get(), room_bytes_, &trainer_),
      "the trainer");
  if (!status.ok()) return status;
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
  if (options_.minutes > 0) return Elapsed() >= options_.minutes * 60;
  return step_ >= options_.recipe.steps;
}

// Where the schedule is: a run by minutes goes through it by the clock.
double TrainingRun::ScheduleStep() const {
  if (options_.minutes <= 0) return step_;
  return Elapsed() / (options_.minutes * 60) * options_.recipe.steps;
}

absl::Status TrainingRun::Step(float* loss) {
  const Recipe& recipe = options_.recipe;
  const float weight = 1.0f / static_cast<float>(recipe.accumulate);
  const cllm_regularization regularization = {
      sizeof(regularization), recipe.dropout,
      recipe.label_smoothing, 0,
      options_.seed,          uint64_t{step_} * recipe.accumulate * recipe.batch};
  if (cllm_status status = cllm_trainer_regularize(trainer_, &regularization); status != CLLM_OK) {
    return ExplainStatus(status, "dropout and label smoothing");
  }
  double sum = 0;
  for (uint32_t i = 0; i < recipe.accumulate; ++i) {
    const uint64_t number = uint64_t{step_} * recipe.accumulate + i;
    const Batch batch = options_.shuffle
                            ? ShuffledBatch(recipe, training_, options_.seed, number)
                            : RandomBatch(recipe, training_, begin_token_, options_.seed, number);
    float part = 0;
    const cllm_status status = cllm_trainer_accumulate(trainer_, batch.inputs.data(), batch.targets.data(),
                                                       batch.sequences, recipe.length, weight, &part);
    if (status != CLLM_OK) return ExplainStatus(status, "training step");
    sum += part;
  }
  *loss = static_cast<float>(sum / recipe.accumulate);
  report_.learning_rate = static_cast<float>(rate_factor_ * LearningRate(recipe, ScheduleStep()));
  const cllm_optimizer optimizer = OptimizerAt(recipe, report_.learning_rate);
  const cllm_status status = cllm_trainer_update(trainer_, &optimizer, &report_.gradient_norm);
  if (status != CLLM_OK) return ExplainStatus(status, "the training recipe");
  ++step_;
  return absl::OkStatus();
}

absl::Status TrainingRun::StepOrReturn(float* loss) {
  report_.went_back = false;
  if (absl::Status status = Step(loss); !status.ok()) return status;
  if (step_ == 1) first_loss_ = *loss;
  // Written so that what is not a number has diverged, too.
  const double most = first_loss_ + std::log(static_cast<double>(file_.model().config.vocabulary_size));
  if (!(*loss <= most) || !std::isfinite(report_.gradient_norm)) return GoBack();
  UpdateAverage();
  loss_sum_ += *loss;
  ++loss_count_;
  return absl::OkStatus();
}

absl::Status TrainingRun::EvaluateAll(double* loss, uint64_t* counted) {
  const double begin = Now();
  double sum = 0;
  *counted = 0;
  for (uint64_t position = 0;;) {
    const Batch batch = CoveringBatch(options_.recipe, validation_, begin_token_, &position);
    if (batch.sequences == 0) break;
    float mean = 0;
    const cllm_status status = cllm_trainer_evaluate(trainer_, batch.inputs.data(), batch.targets.data(),
                                                     batch.sequences, options_.recipe.length, &mean);
    if (status != CLLM_OK) return ExplainStatus(status, "evaluation");
    sum += static_cast<double>(mean) * batch.counted;
    *counted += batch.counted;
  }
  *loss = *counted != 0 ? sum / static_cast<double>(*counted) : std::numeric_limits<double>::quiet_NaN();
  evaluation_seconds_ += Now() - begin;
  return absl::OkStatus();
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

TrainResult TrainingRun::Result(const Checkpoint& initial) {
  TrainResult result;
  result.steps = step_;
  result.best_step = best_step_ != 0 ? best_step_ : step_;
  result.training_loss = report_.loss;
  result.training_tokens = step_ * StepTokens();
  result.seconds = Now() - start_;
  const double elapsed = Elapsed();
  result.tokens_per_second = elapsed > 0 ? static_cast<double>(result.training_tokens) / elapsed : 0;
  result.room_bytes = room_bytes_;
  result.checkpoint = initial;
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
  if (!(options.validation_fraction >= 0 && options.validation_fraction < 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the validation fraction is ", options.validation_fraction, "; it must be in [0, 1)"));
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

}  // namespace

absl::StatusOr<TrainResult> Train(const TrainOptions& options, const Checkpoint& initial, TokenSpan tokens,
                                  const std::function<void(const TrainProgress&)>& progress) {
  if (absl::Status status = CheckOptions(options, initial, tokens); !status.ok()) return status;
  absl::StatusOr<std::string> bytes = WriteModelToString(initial, Dtype::kF32);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<ModelFile> file = ModelFile::FromBytes(*bytes, "the initial model");
  if (!file.ok()) return file.status();
  bytes->clear();
  bytes->shrink_to_fit();
  TrainingRun run(options, *std::move(file));
  if (absl::Status status = run.Start(tokens); !status.ok()) return status;
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
  TrainResult result = run.Result(initial);
  result.interrupted = interrupted;
  result.validation_loss = validation_loss;
  result.validation_tokens = validation_tokens;
  return result;
}

}  // namespace cllm
