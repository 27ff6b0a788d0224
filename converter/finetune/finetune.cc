#include "converter/finetune/finetune.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "converter/import/model_file.h"
#include "converter/run/hosted_session.h"

namespace cllm {
namespace {

// The trainer's usual numbers; a rate for all.
cllm_optimizer OptimizerAt(const FinetuneOptions& options, uint64_t step) {
  const double warm_up = std::max(options.steps / 20.0, 1.0);
  const double rise = std::min(1.0, (static_cast<double>(step) + 1) / warm_up);
  const double fall = 1.0 - static_cast<double>(step) / options.steps;
  const auto rate = static_cast<float>(double{options.rate} * rise * fall);
  return {sizeof(cllm_optimizer),       options.clip, 0.9f, 0.99f, 1e-8f, 0.9f, {rate, options.weight_decay},
          {rate, options.weight_decay}, {rate, 0.0f}};
}

class Run {
 public:
  Run(const std::vector<TuningSequence>& sequences, const FinetuneOptions& options)
      : sequences_(sequences), options_(options), order_(options.seed, sequences.size()) {}

  absl::Status Start(const cllm_model& model) {
    cllm_tuner_limits limits = options_.limits;
    limits.struct_size = sizeof(limits);
    info_.struct_size = sizeof(info_);
    absl::Status status = ExplainStatus(cllm_tuner_measure(&model, &limits, &info_), "fine-tuning");
    if (!status.ok()) return status;
    absl::StatusOr<Room> room = Room::Allocate(info_.room_bytes);
    if (!room.ok()) return room.status();
    room_.push_back(*std::move(room));
    status = ExplainStatus(
        cllm_tuner_create(&model, &limits, options_.workers, room_[0].data(), room_[0].bytes(), &tuner_),
        "fine-tuning");
    if (!status.ok() || options_.resume.empty()) return status;
    return ExplainStatus(cllm_tuner_restore(tuner_, options_.resume.data(), options_.resume.size()),
                         "the state to go on from");
  }

  // The mean loss over all sequences.
  absl::StatusOr<double> Evaluate() {
    double nats = 0;
    uint64_t counted = 0;
    for (const TuningSequence& s : sequences_) {
      float loss = 0;
      absl::Status status = ExplainStatus(
          cllm_tuner_evaluate(tuner_, s.inputs.data(), s.targets.data(), Length(s), &loss), "the data");
      if (!status.ok()) return status;
      nats += double{loss};
      counted += s.counted;
    }
    return nats / static_cast<double>(counted);
  }

  absl::Status Step() {
    const uint64_t step = cllm_tuner_steps(tuner_);
    std::vector<const TuningSequence*> batch;
    uint32_t counted = 0;
    for (uint32_t i = 0; i < options_.batch; ++i) {
      batch.push_back(&sequences_[order_.At(step * options_.batch + i)]);
      counted += batch.back()->counted;
    }
    double nats = 0;
    for (const TuningSequence* s : batch) {
      float loss = 0;
      absl::Status status =
          ExplainStatus(cllm_tuner_accumulate(tuner_, s->inputs.data(), s->targets.data(), Length(*s),
                                              1.0f / static_cast<float>(counted), &loss),
                        "the data");
      if (!status.ok()) return status;
      nats += double{loss};
    }
    const cllm_optimizer optimizer = OptimizerAt(options_, step);
    absl::Status status = ExplainStatus(cllm_tuner_update(tuner_, &optimizer, nullptr), "the step");
    if (!status.ok()) return status;
    if (cllm_tuner_steps(tuner_) == step) {
      return absl::OutOfRangeError("the gradient is no finite number; a lower rate may help");
    }
    if (options_.progress) options_.progress(step + 1, nats / counted);
    return absl::OkStatus();
  }

  void Save() const {
    const void* state = nullptr;
    cllm_tuner_state(tuner_, &state);
    if (options_.save)
      options_.save(steps(), {static_cast<const char*>(state), static_cast<size_t>(info_.state_bytes)});
  }

  absl::StatusOr<std::string> Delta() const {
    std::string delta(static_cast<size_t>(info_.delta_bytes), '\0');
    absl::Status status =
        ExplainStatus(cllm_tuner_export(tuner_, 0, delta.data(), delta.size()), "the delta");
    if (!status.ok()) return status;
    return delta;
  }

  bool IsDone() const { return steps() >= options_.steps || Stopped(); }
  bool Stopped() const { return options_.stop != nullptr && options_.stop->load() != 0; }
  uint64_t steps() const { return cllm_tuner_steps(tuner_); }
  const cllm_tuner_info& info() const { return info_; }

 private:
  static uint32_t Length(const TuningSequence& s) { return static_cast<uint32_t>(s.inputs.size()); }

  const std::vector<TuningSequence>& sequences_;
  const FinetuneOptions& options_;
  SequenceOrder order_;
  cllm_tuner_info info_{};
  std::vector<Room> room_;  // one
  cllm_tuner* tuner_ = nullptr;
};

}  // namespace

size_t SequenceOrder::At(uint64_t place) {
  const uint64_t epoch = place / order_.size();
  if (epoch != epoch_) {
    epoch_ = epoch;
    std::iota(order_.begin(), order_.end(), size_t{0});
    const uint64_t key = RandomKey(seed_, RandomStream::kBatches);
    for (size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[RandomAt(key, epoch * order_.size() + i) % i]);
    }
  }
  return order_[place % order_.size()];
}

absl::StatusOr<FinetuneResult> Finetune(const cllm_model& model, const std::vector<TuningSequence>& sequences,
                                        const FinetuneOptions& options) {
  Run run(sequences, options);
  if (absl::Status status = run.Start(model); !status.ok()) return status;
  FinetuneResult result;
  absl::StatusOr<double> loss = run.Evaluate();
  if (!loss.ok()) return loss.status();
  result.first_loss = *loss;
  while (!run.IsDone()) {
    if (absl::Status status = run.Step(); !status.ok()) return status;
    if (options.save_interval != 0 && run.steps() % options.save_interval == 0 && !run.IsDone()) run.Save();
  }
  result.interrupted = run.Stopped() && run.steps() < options.steps;
  if (result.interrupted) run.Save();
  loss = run.Evaluate();
  if (!loss.ok()) return loss.status();
  result.last_loss = *loss;
  absl::StatusOr<std::string> delta = run.Delta();
  if (!delta.ok()) return delta.status();
  result.delta = *std::move(delta);
  result.info = run.info();
  result.steps = run.steps();
  return result;
}

}  // namespace cllm
