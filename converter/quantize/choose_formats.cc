#include "converter/quantize/choose_formats.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/layout.h"
#include "converter/export/write_model.h"
#include "converter/lattice/allocate.h"
#include "converter/lattice/round_model.h"
#include "converter/run/hosted_session.h"
#include "kernels/loss.h"
#include "model/tensors.h"

namespace cllm {
namespace {

struct Candidate {
  Dtype format;
  double error;  // squared, of normally distributed weights of variance 1: measured
};
constexpr Candidate kCandidates[] = {
    {Dtype::kLattice2, 0.083}, {Dtype::kLattice3, 0.0219}, {Dtype::kLattice4, 0.0058}, {Dtype::kI8, 0.00006}};
constexpr double kMeasuredError = 0.0219;
constexpr size_t kTokens = 4096;  // of windows, for measuring

// sum of p log(p / q) for the softmaxes p and q of two rows of logits.
double Divergence(const float* exact, const float* changed, size_t count) {
  const double exact_sum = LogSumExp(exact, count), changed_sum = LogSumExp(changed, count);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double log_p = double{exact[i]} - exact_sum;
    sum += std::exp(log_p) * (log_p - double{changed[i]} + changed_sum);
  }
  return sum;
}

class Measure {
 public:
  Measure(const ModelFile& file, const TokenWindows& windows, const cllm_workers* workers)
      : file_(file), workers_(workers) {
    size_t tokens = 0;
    const size_t every = std::max<size_t>(1, windows.size() * windows.front().size() / kTokens);
    for (size_t i = 0; i < windows.size() && tokens < kTokens; i += every) {
      windows_.push_back(windows[i]);
      tokens += windows[i].size();
    }
  }

  const TokenWindows& windows() const { return windows_; }

  // Mean divergence a token of the model with these weights from the one that was.
  absl::StatusOr<double> Of(const Checkpoint& changed) const {
    absl::StatusOr<std::string> bytes = WriteModelToString(changed, Dtype::kF32);
    if (!bytes.ok()) return bytes.status();
    absl::StatusOr<ModelFile> other = ModelFile::FromBytes(*bytes, "the rounded model");
    if (!other.ok()) return other.status();
    const cllm_model_info info = Describe(*file_.handle());
    cllm_limits limits{};
    limits.context = info.context;
    limits.batch = limits.logits_rows = std::min(kRows, info.context);
    absl::StatusOr<HostedSession> before = HostedSession::Create(*file_.handle(), limits, workers_);
    if (!before.ok()) return before.status();
    absl::StatusOr<HostedSession> after = HostedSession::Create(*other->handle(), limits, workers_);
    if (!after.ok()) return after.status();
    double sum = 0;
    size_t tokens = 0;
    for (const std::vector<uint32_t>& window : windows_) {
      cllm_session_rewind(before->get(), 0);
      cllm_session_rewind(after->get(), 0);
      for (size_t done = 0; done < window.size(); done += limits.batch) {
        const auto rows = static_cast<uint32_t>(std::min<size_t>(limits.batch, window.size() - done));
        absl::Status status = AddRows(*before, *after, &window[done], rows, info.vocabulary_size, &sum);
        if (!status.ok()) return status;
      }
      tokens += window.size();
    }
    return sum / static_cast<double>(tokens);
  }

 private:
  static constexpr uint32_t kRows = 64;

  static absl::Status AddRows(const HostedSession& before, const HostedSession& after, const uint32_t* tokens,
                              uint32_t rows, uint32_t vocabulary, double* sum) {
    for (const HostedSession* session : {&before, &after}) {
      absl::Status status = ExplainStatus(cllm_session_feed(session->get(), tokens, rows), "measuring");
      if (!status.ok()) return status;
    }
    for (uint32_t row = 0; row < rows; ++row) {
      const float *exact = nullptr, *changed = nullptr;
      absl::Status status = ExplainStatus(cllm_session_logits(before.get(), row, &exact), "reading logits");
      if (status.ok()) {
        status = ExplainStatus(cllm_session_logits(after.get(), row, &changed), "reading logits");
      }
      if (!status.ok()) return status;
      *sum += Divergence(exact, changed, vocabulary);
    }
    return absl::OkStatus();
  }

  const ModelFile& file_;
  const cllm_workers* workers_;
  TokenWindows windows_;
};

// Bytes of a file besides the matrices' segments, those that fill gaps included.
absl::StatusOr<uint64_t> OtherBytes(const Checkpoint& checkpoint, const Config& config,
                                    const std::vector<TensorKey>& matrices) {
  absl::StatusOr<std::string> file = WriteModelToString(checkpoint, Dtype::kI8);
  if (!file.ok()) return file.status();
  uint64_t bytes = file->size();
  for (const TensorKey& key : matrices) bytes -= StoredBytes(config, key.first, Dtype::kI8);
  return bytes;
}

}  // namespace

absl::StatusOr<WeightFormats> ChooseFormats(const ModelFile& file, const Checkpoint& checkpoint,
                                            const TokenWindows& windows, uint64_t bytes,
                                            const cllm_workers* workers,
                                            const std::function<void(const std::string&)>& progress) {
  const Config& config = file.model().config;
  std::vector<TensorKey> matrices;
  for (const auto& [key, tensor] : checkpoint.tensors) {
    if (!IsVector(key.first)) matrices.push_back(key);
  }
  const absl::StatusOr<uint64_t> other = OtherBytes(checkpoint, config, matrices);
  if (!other.ok()) return other.status();
  const Measure measure(file, windows, workers);
  RoundModelOptions rounding;
  rounding.rounding.sweeps = 0;
  rounding.rounding.scales = 1;
  rounding.rounding.workers = workers;
  std::vector<std::vector<FormatChoice>> choices;
  for (const TensorKey& key : matrices) {
    Checkpoint changed = checkpoint;
    const RoundedTensors rounded =
        RoundModel(file.model(), checkpoint, measure.windows(), {{key, 1}}, rounding);
    changed.tensors[key] = Dequantized(rounded.at(key), changed.tensors[key].columns);
    const absl::StatusOr<double> loss = measure.Of(changed);
    if (!loss.ok()) return loss.status();
    choices.emplace_back();
    for (const Candidate& candidate : kCandidates) {
      choices.back().push_back({RoundUp(StoredBytes(config, key.first, candidate.format), kAlignment),
                                *loss * candidate.error / kMeasuredError});
    }
    if (progress) progress(absl::StrFormat("%s in lattice3: %.6f nats a token", TensorName(key), *loss));
  }
  const std::vector<size_t> chosen = Allocate(choices, bytes - std::min(bytes, *other));
  if (chosen.empty() && !matrices.empty()) {
    uint64_t least = *other;
    for (const std::vector<FormatChoice>& choice : choices) least += choice.front().bytes;
    return absl::InvalidArgumentError(
        absl::StrCat("a file of ", bytes, " bytes is too small; this model takes ", least, " in lattice2"));
  }
  WeightFormats formats = Dtype::kLattice2;
  for (size_t i = 0; i < matrices.size(); ++i) formats.Set(matrices[i], kCandidates[chosen[i]].format);
  return formats;
}

}  // namespace cllm
