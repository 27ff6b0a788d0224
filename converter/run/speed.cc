#include "converter/run/speed.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "converter/import/model_file.h"
#include "converter/run/hosted_session.h"
#include "converter/run/roofline.h"

namespace cllm {
namespace {

using Clock = std::chrono::steady_clock;

// Medians of many repetitions, for those of small models take milliseconds and noise takes longer.
constexpr uint32_t kFewest = 3;
constexpr uint32_t kWanted = 9;
constexpr double kWantedSeconds = 5;
constexpr uint32_t kMost = 101;
constexpr double kMostSeconds = 1;

bool IsEnough(uint32_t repetitions, double seconds) {
  if (repetitions < kFewest) return false;
  return seconds > (repetitions < kWanted ? kWantedSeconds : kMostSeconds);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<uint32_t> SomeTokens(uint32_t count, uint32_t vocabulary_size) {
  std::vector<uint32_t> tokens(count);
  for (uint32_t i = 0; i < count; ++i) tokens[i] = i * 7 % vocabulary_size;
  return tokens;
}

// Seconds of one feed of all tokens.
absl::StatusOr<double> Prefill(cllm_session* session, const std::vector<uint32_t>& tokens) {
  cllm_session_rewind(session, 0);
  const Clock::time_point start = Clock::now();
  const cllm_status status = cllm_session_feed(session, tokens.data(), static_cast<uint32_t>(tokens.size()));
  if (status != CLLM_OK) return ExplainStatus(status, "prefill");
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds of drawing and feeding `count` tokens, one at a time, after the first.
absl::StatusOr<double> Decode(cllm_session* session, uint32_t first, uint32_t count) {
  cllm_session_rewind(session, 0);
  uint32_t token = first;
  const Clock::time_point start = Clock::now();
  for (uint32_t i = 0; i < count; ++i) {
    cllm_status status = cllm_session_feed(session, &token, 1);
    if (status == CLLM_OK) status = cllm_session_next(session, nullptr, &token);
    if (status != CLLM_OK) return ExplainStatus(status, "decoding");
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

absl::StatusOr<SpeedResult> MeasureSpeed(const cllm_model& model, const SpeedOptions& options) {
  const cllm_model_info info = Describe(model);
  absl::StatusOr<HostedSession> session = HostedSession::Create(model, cllm_limits{}, options.workers);
  if (!session.ok()) return session.status();
  SpeedResult result;
  result.forward_tokens = std::min(options.forward_tokens, info.context);
  cllm_limits every_logit{};
  every_logit.context = every_logit.batch = every_logit.logits_rows = result.forward_tokens;
  absl::StatusOr<HostedSession> whole = HostedSession::Create(model, every_logit, options.workers);
  if (!whole.ok()) return whole.status();
  result.prefill_tokens = std::min(options.prefill_tokens, info.context);
  result.decode_tokens = std::min(options.decode_tokens, info.context);
  result.room_bytes = session->room_bytes();
  const std::vector<uint32_t> tokens = SomeTokens(result.prefill_tokens, info.vocabulary_size);
  const std::vector<uint32_t> sequence = SomeTokens(result.forward_tokens, info.vocabulary_size);

  std::vector<double> prefill, decode, forward;
  const Clock::time_point start = Clock::now();
  for (uint32_t i = 0; i <= kMost; ++i) {
    const double spent = std::chrono::duration<double>(Clock::now() - start).count();
    if (i > 0 && IsEnough(i - 1, spent)) break;
    absl::StatusOr<double> read = Prefill(session->get(), tokens);
    if (!read.ok()) return read.status();
    absl::StatusOr<double> written = Decode(session->get(), tokens[0], result.decode_tokens);
    if (!written.ok()) return written.status();
    absl::StatusOr<double> forwarded = Prefill(whole->get(), sequence);
    if (!forwarded.ok()) return forwarded.status();
    if (i == 0) continue;  // the warm-up
    prefill.push_back(result.prefill_tokens / *read);
    decode.push_back(result.decode_tokens / *written);
    forward.push_back(result.forward_tokens / *forwarded);
  }
  result.repetitions = static_cast<uint32_t>(prefill.size());
  result.prefill_tokens_per_second = Median(prefill);
  result.decode_tokens_per_second = Median(decode);
  result.forward_tokens_per_second = Median(forward);
  const double bytes = DecodeBytes(info, result.decode_tokens / 2.0);
  const Roofline roofline =
      MeasureRoofline(static_cast<uint64_t>(bytes), info.weight_format, options.workers);
  result.prefill_fraction =
      result.prefill_tokens_per_second * LayerOperations(info) / roofline.operations_per_second;
  result.decode_fraction = result.decode_tokens_per_second * bytes / roofline.bytes_per_second;
  return result;
}

absl::StatusOr<uint32_t> FirstToken(const cllm_model& model, const cllm_workers* workers) {
  const cllm_model_info info = Describe(model);
  absl::StatusOr<HostedSession> session = HostedSession::Create(model, cllm_limits{}, workers);
  if (!session.ok()) return session.status();
  uint32_t token = info.begin_token == CLLM_NO_TOKEN ? 0 : info.begin_token;
  cllm_status status = cllm_session_feed(session->get(), &token, 1);
  if (status == CLLM_OK) status = cllm_session_next(session->get(), nullptr, &token);
  if (status != CLLM_OK) return ExplainStatus(status, "the first token");
  return token;
}

}  // namespace cllm
