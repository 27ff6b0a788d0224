// From the feeds of a call to batches of runs, and to the rows that logits are wanted of.
#include <cstring>

#include "session/session.h"

namespace cllm {

// Until the checks are done the runs only count how often a stream is named.
Status Session::CheckFeeds(const cllm_stream_feed* feeds, uint32_t count, uint64_t* tokens) {
  *tokens = 0;
  for (uint32_t f = 0; f < count; ++f) {
    if (feeds[f].stream >= plan_.limits.streams) return CLLM_STREAM_RANGE;
    runs()[feeds[f].stream].length = 0;
  }
  for (uint32_t f = 0; f < count; ++f) {
    const cllm_stream_feed& feed = feeds[f];
    if (runs()[feed.stream].length++ != 0) return CLLM_STREAM_REPEATED;
    if (feed.count > plan_.limits.context - streams()[feed.stream].position) return CLLM_CONTEXT_FULL;
    *tokens += feed.count;
  }
  if (plan_.limits.logits_rows > 1 && *tokens > plan_.limits.batch) return CLLM_LIMIT_BATCH;
  for (uint32_t f = 0; f < count; ++f) {
    for (uint32_t i = 0; i < feeds[f].count; ++i) {
      if (feeds[f].tokens[i] >= model_.config.vocabulary_size) return CLLM_TOKEN_RANGE;
    }
  }
  return CLLM_OK;
}

Status Session::FeedStreams(const cllm_stream_feed* feeds, uint32_t count) {
  uint64_t tokens;
  CLLM_RETURN_IF_ERROR(CheckFeeds(feeds, count, &tokens));
  if (tokens == 0) return CLLM_OK;
  for (uint32_t s = 0; s < plan_.limits.streams; ++s) streams()[s].logits_count = 0;
  logits_count_ = 0;
  const cllm_stream_feed* feed = feeds;
  for (uint32_t done = 0; tokens > 0;) {
    uint32_t rows;
    const uint32_t run_count = TakeBatch(feed, feeds + count, done, &rows);
    Forward(run_count, rows);
    TakeFinals(run_count, done == 0);
    tokens -= rows;
  }
  ComputeLogits(logits_count_);
  return CLLM_OK;
}

uint32_t Session::TakeBatch(const cllm_stream_feed*& feed, const cllm_stream_feed* end, uint32_t& done,
                            uint32_t* rows) {
  uint32_t run_count = 0;
  *rows = 0;
  while (feed != end && *rows < plan_.limits.batch) {
    const uint32_t left = feed->count - done, space = plan_.limits.batch - *rows;
    const uint32_t length = left < space ? left : space;
    if (length > 0) {
      Stream& stream = streams()[feed->stream];
      runs()[run_count++] = {feed->stream, stream.position, *rows, length, *rows};
      std::memcpy(HistoryOf(feed->stream) + stream.position, feed->tokens + done, length * sizeof(uint32_t));
      stream.position += length;
      *rows += length;
    }
    done += length;
    if (length == left) {
      ++feed;
      done = 0;
    }
  }
  return run_count;
}

// Logits are wanted of every row, or of each feed's last.
void Session::TakeFinals(uint32_t run_count, bool last_is_whole) {
  const bool every_row = plan_.limits.logits_rows > 1;
  const size_t stride = shape_.width_stride;
  for (uint32_t i = 0; i < run_count; ++i) {
    const Run& run = runs()[i];
    if (i + 1 == run_count && !last_is_whole) return;
    Stream& stream = streams()[run.sequence];
    stream.first_logits = logits_count_;
    stream.logits_count = every_row ? run.length : 1;
    if (!every_row) {
      const float* from = At<float>(plan_.residual) + (run.row + run.length - 1) * stride;
      float* to = At<float>(plan_.finals) + logits_count_ * stride;
      if (from != to) std::memcpy(to, from, stride * sizeof(float));
    }
    logits_count_ += stream.logits_count;
  }
}

}  // namespace cllm
