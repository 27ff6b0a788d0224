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

// What the model reads of one document, after its begin token where there is one: targets are sequence[1..].
// Adds the document's bytes that are predicted.
absl::StatusOr<std::vector<uint32_t>> Sequence(const cllm_model& model, const cllm_model_info& info,
                                               std::string_view document, bool predicts_end,
                                               uint64_t* bytes) {
  absl::StatusOr<std::vector<uint32_t>> tokens = EncodeText(model, document);
  if (!tokens.ok() || tokens->empty()) return tokens;
  *bytes += document.size();
  if (info.begin_token != CLLM_NO_TOKEN) {
    tokens->insert(tokens->begin(), info.begin_token);
  } else {
    const char* first = nullptr;
    uint32_t first_bytes = 0;
    cllm_tokens_decode(&model, CLLM_NO_TOKEN, tokens->front(), &first, &first_bytes);
    *bytes -= std::min<uint64_t>(first_bytes, document.size());
  }
  if (predicts_end && info.end_token != CLLM_NO_TOKEN) tokens->push_back(info.end_token);
  return tokens;
}

}  // namespace

double EvaluateResult::BitsPerByte() const { return nats / std::numbers::ln2 / static_cast<double>(bytes); }

double EvaluateResult::Perplexity() const { return std::exp(NatsPerToken()); }

absl::StatusOr<EvaluateResult> Evaluate(const cllm_model& model, std::string_view text,
                                        const EvaluateOptions& options) {
  const cllm_model_info info = Describe(model);
  std::vector<std::string_view> documents = {text};
  if (options.documents) documents = SplitDocuments(text, *options.documents);
  EvaluateResult result;
  std::vector<std::vector<uint32_t>> sequences;
  for (const std::string_view document : documents) {
    absl::StatusOr<std::vector<uint32_t>> sequence =
        Sequence(model, info, document, options.documents.has_value(), &result.bytes);
    if (!sequence.ok()) return sequence.status();
    if (sequence->size() < 2) continue;
    result.tokens += sequence->size() - 1;
    sequences.push_back(*std::move(sequence));
  }
  if (sequences.empty()) {
    return absl::InvalidArgumentError(
        "the text has not two tokens, too few to predict one; give a longer text");
  }

  cllm_limits limits{};
  limits.context = options.context == 0 ? info.context : options.context;
  limits.kv_format = options.kv_format;
  limits.batch = limits.logits_rows = std::min(kBatch, limits.context);
  absl::StatusOr<HostedSession> session = HostedSession::Create(model, limits, options.workers);
  if (!session.ok()) return session.status();

  result.context = limits.context;
  uint64_t done = 0;
  for (std::vector<uint32_t>& sequence : sequences) {
    for (uint64_t start = 0; start + 1 < sequence.size(); start += limits.context) {
      const auto count =
          static_cast<uint32_t>(std::min<uint64_t>(limits.context, sequence.size() - 1 - start));
      // The window's first input is replaced by the begin token; it was a target of the window before.
      if (info.begin_token != CLLM_NO_TOKEN) sequence[start] = info.begin_token;
      absl::Status status = AddWindow(session->get(), &sequence[start], &sequence[start + 1], count,
                                      limits.batch, info.vocabulary_size, &result.nats);
      if (!status.ok()) return status;
      ++result.windows;
      done += count;
      if (options.progress) options.progress(done, result.tokens);
    }
  }
  return result;
}

}  // namespace cllm
