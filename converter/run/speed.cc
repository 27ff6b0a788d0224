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

// Seconds of drawing and feeding `count` tokens, one at a time, after a first one: by several streams, which
// share each feed and together feed streams x count tokens.
absl::StatusOr<double> Decode(cllm_session* session, uint32_t streams, uint32_t vocabulary_size,
                              uint32_t count) {
  std::vector<uint32_t> tokens = SomeTokens(streams, vocabulary_size);
  std::vector<cllm_stream_feed> feeds;
  for (uint32_t s = 0; s < streams; ++s) {
    cllm_session_rewind_stream(session, s, 0);
    feeds.push_back({s, 1, &tokens[s]});
  }
  const Clock::time_point start = Clock::now();
  for (uint32_t i = 0; i < count; ++i) {
    cllm_status status = cllm_session_feed_streams(session, feeds.data(), streams);
    for (uint32_t s = 0; s < streams && status == CLLM_OK; ++s) {
      status = cllm_session_next_stream(session, s, nullptr, &tokens[s]);
    }
    if (status != CLLM_OK) return ExplainStatus(status, "decoding");
  }
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Seconds of one call that feeds the tokens to every stream.
absl::StatusOr<double> Prefill(cllm_session* session, uint32_t streams, const std::vector<uint32_t>& tokens) {
  std::vector<cllm_stream_feed> feeds;
  for (uint32_t s = 0; s < streams; ++s) {
    cllm_session_rewind_stream(session, s, 0);
    feeds.push_back({s, static_cast<uint32_t>(tokens.size()), tokens.data()});
  }
  const Clock::time_point start = Clock::now();
  const cllm_status status = cllm_session_feed_streams(session, feeds.data(), streams);
  if (status != CLLM_OK) return ExplainStatus(status, "a forward pass");
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The sessions that are measured, and what one repetition of everything yields, in tokens a second.
class Subject {
 public:
  static absl::StatusOr<Subject> Create(const cllm_model& model, const cllm_model_info& info,
                                        const SpeedOptions& options, SpeedResult* sizes) {
    sizes->prefill_tokens = std::min(options.prefill_tokens, info.context);
    sizes->decode_tokens = std::min(options.decode_tokens, info.context);
    sizes->forward_tokens = std::min(options.forward_tokens, info.context);
    sizes->sequences = options.sequences;
    sizes->streams = options.streams;
    cllm_limits whole{}, batched{}, streams{};
    whole.context = whole.batch = whole.logits_rows = sizes->forward_tokens;
    batched.context = sizes->forward_tokens;
    batched.streams = sizes->sequences;
    batched.batch = batched.logits_rows = sizes->forward_tokens * sizes->sequences;
    streams.context = sizes->decode_tokens;
    streams.streams = sizes->streams;
    Subject subject(*sizes, info.vocabulary_size,
                    DecodeBytes(info, options.kv_format, sizes->decode_tokens / 2.0), options.workers);
    for (cllm_limits limits : {HostLimits(info, options.kv_format), whole, batched, streams}) {
      limits.kv_format = options.kv_format;
      absl::StatusOr<HostedSession> session = HostedSession::Create(model, limits, options.workers);
      if (!session.ok()) return session.status();
      subject.sessions_.push_back(*std::move(session));
    }
    sizes->room_bytes = subject.sessions_[0].room_bytes();
    return subject;
  }

  absl::Status Run(bool keep) {
    const SpeedResult& sizes = sizes_;
    absl::Status status = absl::OkStatus();
    const auto take = [&](std::vector<double>* to, double tokens, const absl::StatusOr<double>& seconds) {
      status.Update(seconds.status());
      if (seconds.ok() && keep) to->push_back(tokens / *seconds);
    };
    const double steps = sizes.decode_tokens, length = sizes.forward_tokens;
    take(&prefill, sizes.prefill_tokens, Prefill(sessions_[0].get(), 1, prompt_));
    take(&decode, steps, Decode(sessions_[0].get(), 1, vocabulary_size_, sizes.decode_tokens));
    if (keep) read.push_back(probe_.Measure());
    take(&forward, length, Prefill(sessions_[1].get(), 1, sequence_));
    take(&batched, length * sizes.sequences, Prefill(sessions_[2].get(), sizes.sequences, sequence_));
    take(&streams, steps * sizes.streams,
         Decode(sessions_[3].get(), sizes.streams, vocabulary_size_, sizes.decode_tokens));
    return status;
  }

  // Of a token in the middle of the decoding.
  double decode_bytes() const { return decode_bytes_; }

  std::vector<double> prefill, decode, forward, batched, streams;  // tokens a second
  std::vector<double> read;                                        // bytes a second, beside decode

 private:
  Subject(const SpeedResult& sizes, uint32_t vocabulary_size, double decode_bytes,
          const cllm_workers* workers)
      : sizes_(sizes),
        vocabulary_size_(vocabulary_size),
        decode_bytes_(decode_bytes),
        probe_(static_cast<uint64_t>(decode_bytes), workers),
        prompt_(SomeTokens(sizes.prefill_tokens, vocabulary_size)),
        sequence_(SomeTokens(sizes.forward_tokens, vocabulary_size)) {}

  SpeedResult sizes_;
  uint32_t vocabulary_size_;
  double decode_bytes_;
  ReadProbe probe_;
  std::vector<uint32_t> prompt_, sequence_;
  std::vector<HostedSession> sessions_;
};

}  // namespace

absl::StatusOr<SpeedResult> MeasureSpeed(const cllm_model& model, const SpeedOptions& options) {
  const cllm_model_info info = Describe(model);
  SpeedResult result;
  absl::StatusOr<Subject> subject = Subject::Create(model, info, options, &result);
  if (!subject.ok()) return subject.status();
  const Clock::time_point start = Clock::now();
  for (uint32_t i = 0; i <= kMost; ++i) {
    const double spent = std::chrono::duration<double>(Clock::now() - start).count();
    if (i > 0 && IsEnough(i - 1, spent)) break;
    const bool warm = i > 0;
    if (absl::Status status = subject->Run(warm); !status.ok()) return status;
  }
  result.repetitions = static_cast<uint32_t>(subject->prefill.size());
  result.prefill_tokens_per_second = Median(subject->prefill);
  result.decode_tokens_per_second = Median(subject->decode);
  result.forward_tokens_per_second = Median(subject->forward);
  result.batched_forward_tokens_per_second = Median(subject->batched);
  result.streams_tokens_per_second = Median(subject->streams);
  result.prefill_fraction = result.prefill_tokens_per_second * LayerOperations(info) /
                            ProductSpeed(info.weight_format, options.workers);
  result.decode_fraction = result.decode_tokens_per_second * subject->decode_bytes() / Median(subject->read);
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
