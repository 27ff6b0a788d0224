// Room: session. Sequences of tokens, each a stream, through one model, inside the caller's room. Owns the KV
// cache.
#ifndef CLLM_SESSION_SESSION_H_
#define CLLM_SESSION_SESSION_H_

#include <cstdint>

#include "base/features.h"
#include "base/layout.h"
#include "base/status.h"
#include "base/workers.h"
#include "model/model.h"
#include "plan/session_plan.h"
#include "session/layer.h"

namespace cllm {

struct Stream {
  uint32_t position;
  uint32_t first_logits, logits_count;  // its rows of logits
};

// The functions of cllm_session_*; cllm.h says what they do. The object lies at the start of its room.
class Session {
 public:
  static Status Create(const Model& model, const cllm_limits* limits, const cllm_workers* workers, void* room,
                       uint64_t room_bytes, Session** session);

  Status FeedStreams(const cllm_stream_feed* feeds, uint32_t count);
  Status Logits(uint32_t row, const float** logits) const;
  Status Next(uint32_t stream, const cllm_sampling* sampling, uint32_t* token);
  Status Rewind(uint32_t stream, uint32_t position);
  // state.cc; schemas/STATE.md has the bytes.
  Status StateBytes(uint32_t stream, uint64_t* bytes) const;
  Status Save(uint32_t stream, void* state, uint64_t capacity) const;
  Status Restore(uint32_t stream, const void* state, uint64_t bytes);
  uint32_t Position(uint32_t stream) const {
    return stream < plan_.limits.streams ? streams()[stream].position : 0;
  }

 private:
  Session(const Model& model, const SessionPlan& plan, const cllm_workers* workers, uint8_t* room);

  Status CheckFeeds(const cllm_stream_feed* feeds, uint32_t count, uint64_t* tokens);
  // The next batch of the feeds, from token `done` of the first on: its runs, and its tokens in the history.
  // Returns how many runs; *rows: how many tokens.
  uint32_t TakeBatch(const cllm_stream_feed*& feed, const cllm_stream_feed* end, uint32_t& done,
                     uint32_t* rows);
  void TakeFinals(uint32_t run_count, bool last_is_whole);
  // Takes the batch through the layers, from the history to the residual.
  void Forward(uint32_t run_count, uint32_t rows);
  // How many ranges of rows go through the layers side by side, each on one worker.
  uint32_t RowRanges(uint32_t rows) const;
  // How many members of a crew share each matrix for so few rows that they are not cut.
  uint32_t CrewMembers(uint32_t rows) const;
  // Multiply-adds of a row in a layer's matrices.
  size_t RowMacs() const {
    return shape_.width * (shape_.qkv_stride + shape_.query_width + (shape_.inputs() + 1) * shape_.hidden);
  }
  // The first run of part `part` of `parts` about equal ones that are cut between runs.
  uint32_t FirstRun(uint32_t run_count, uint32_t rows, uint32_t part, uint32_t parts) const;
  bool CutsEvenly(uint32_t run_count, uint32_t rows, uint32_t parts) const;
  // Runs [first, last) through all layers, a group after the other.
  void ForwardRuns(uint32_t first, uint32_t last, Crew& crew);
  // What is between the writing of one layer's keys and the next one's. Step 0 begins with the tokens, step
  // `layers` ends with the residual.
  void Step(uint32_t step, const Rows& rows);
  void Embed(const Rows& rows);
  // The angles of layers with a window, where they have their own.
  void EmbedWindowAngles(uint32_t position, size_t row);
  // The rows' scratch is that of the rows from `space` on, and what a member of a crew has for itself lies in
  // as many rows' for each.
  HalfBuffers HalfOf(const Rows& rows, size_t space, const Crew& crew, Role post_norm, uint32_t layer) const;
  float* ScratchOf(size_t space) const { return At<float>(plan_.scratch) + space * plan_.scratch_floats; }
  AttentionBuffers AttentionOf(uint32_t layer, const Rows& rows, size_t space, const Crew& crew) const;
  KvCache CacheOf(uint32_t layer) const;
  FeedForwardBuffers FeedForwardOf(uint32_t layer, const Rows& rows, size_t space, const Crew& crew) const;
  Prepared PreparedFrom(size_t row) const;
  void ComputeLogits(uint32_t rows);
  void TakeState(uint32_t stream, uint32_t position, const uint8_t* from);
  template <class T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(room_ + offset);
  }
  Stream* streams() const { return At<Stream>(plan_.streams); }
  uint32_t* HistoryOf(size_t stream) const {
    return At<uint32_t>(plan_.history) + stream * plan_.limits.context;
  }
  const float* LogitsAt(size_t row) const {
    return At<float>(plan_.logits) + row * PaddedRow(model_.config.vocabulary_size);
  }
  Run* runs() const { return At<Run>(plan_.runs); }
  const cllm_workers* workers() const { return kHasWorkers && workers_.count > 1 ? &workers_ : nullptr; }

  Model model_;
  SessionPlan plan_;
  LayerShape shape_;
  Embeddings embeddings_;
  Tensor head_;
  const float* final_norm_;
  cllm_workers workers_;
  uint8_t* room_;
  uint32_t logits_count_ = 0;  // rows of the last call that fed
};

static_assert(sizeof(Session) <= kSessionBytes);
static_assert(sizeof(LayerWeights) <= kLayerWeightsBytes);
static_assert(sizeof(Adapter) <= kAdapterBytes);
static_assert(sizeof(RowScale) == kRowScaleBytes);
static_assert(sizeof(Stream) == kStreamBytes);
static_assert(sizeof(Run) == kRunBytes);

}  // namespace cllm

#endif  // CLLM_SESSION_SESSION_H_
