#include "converter/run/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "converter/import/model_file.h"
#include "converter/run/hosted_session.h"
#include "converter/tokenizer/encode_text.h"
#include "kernels/loss.h"

namespace cllm {
namespace {

// Rows of logits at once: the largest feed. Results do not depend on it.
constexpr uint32_t kBatch = 64;

// Feeds inputs[0, count) from position 0 and adds the losses of targets[0, count) to *nats.
absl::Status AddWindow(cllm_session* session, const uint32_t* inputs, const uint32_t* targets, uint32_t count,
                       uint32_t batch, uint32_t vocabulary_size, double* nats) {
  cllm_session_rewind(session, 0);
  for (uint32_t done = 0; done < count; done += batch) {
    const uint32_t rows = std::min(batch, count - done);
    absl::Status status = ExplainStatus(cllm_session_feed(session, inputs + done, rows), "feeding the text");
    if (!status.ok()) return status;
    for (uint32_t row = 0; row < rows; ++row) {
      const float* logits = nullptr;
      status = ExplainStatus(cllm_session_logits(session, row, &logits), "reading logits");
      if (!status.ok()) return status;
      *nats += double{LogSumExp(logits, vocabulary_size)} - double{logits[targets[done + row]]};
    }
  }
  return absl::OkStatus();
}

}  // namespace

double EvaluateResult::BitsPerByte() const { return nats / std::numbers::ln2 / static_cast<double>(bytes); }

double EvaluateResult::Perplexity() const { return std::exp(NatsPerToken()); }

absl::StatusOr<EvaluateResult> Evaluate(const cllm_model& model, std::string_view text,
                                        const EvaluateOptions& options) {
  const cllm_model_info info = Describe(model);
  absl::StatusOr<std::vector<uint32_t>> encoded = EncodeText(model, text);
  if (!encoded.ok()) return encoded.status();
  const bool begin = info.begin_token != CLLM_NO_TOKEN;
  // The text's tokens after whatever is only read: targets are sequence[1..].
  std::vector<uint32_t> sequence;
  if (begin) sequence.push_back(info.begin_token);
  sequence.insert(sequence.end(), encoded->begin(), encoded->end());
  if (sequence.size() < 2) {
    return absl::InvalidArgumentError(absl::StrCat("the text has ", encoded->size(),
                                                   " tokens, too few to predict one; give a longer text"));
  }

  cllm_limits limits{};
  limits.context = options.context == 0 ? info.context : options.context;
  limits.batch = limits.logits_rows = std::min(kBatch, limits.context);
  absl::StatusOr<HostedSession> session = HostedSession::Create(model, limits, options.workers);
  if (!session.ok()) return session.status();

  EvaluateResult result;
  result.context = limits.context;
  result.tokens = sequence.size() - 1;
  result.bytes = text.size();
  if (!begin) {
    const char* first = nullptr;
    uint32_t first_bytes = 0;
    cllm_tokens_decode(&model, CLLM_NO_TOKEN, sequence[0], &first, &first_bytes);
    result.bytes -= std::min<uint64_t>(first_bytes, result.bytes);
  }
  for (uint64_t start = 0; start < result.tokens; start += limits.context) {
    const auto count = static_cast<uint32_t>(std::min<uint64_t>(limits.context, result.tokens - start));
    // The window's first input is replaced by the begin token; it was a target of the window before.
    if (begin) sequence[start] = info.begin_token;
    if (absl::Status status = AddWindow(session->get(), &sequence[start], &sequence[start + 1], count,
                                        limits.batch, info.vocabulary_size, &result.nats);
        !status.ok()) {
      return status;
    }
    ++result.windows;
    if (options.progress) options.progress(start + count, result.tokens);
  }
  return result;
}

}  // namespace cllm
