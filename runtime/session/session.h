// Room: session. One sequence of tokens through one model, inside the caller's room. Owns the KV cache.
#ifndef CLLM_SESSION_SESSION_H_
#define CLLM_SESSION_SESSION_H_

#include <cstdint>

#include "base/status.h"
#include "model/model.h"
#include "plan/session_plan.h"
#include "session/layer.h"

namespace cllm {

// The functions of cllm_session_*; cllm.h says what they do. The object lies at the start of its room.
class Session {
 public:
  static Status Create(const Model& model, const cllm_limits* limits, const cllm_workers* workers, void* room,
                       uint64_t room_bytes, Session** session);

  Status Feed(const uint32_t* tokens, uint32_t count);
  Status Logits(uint32_t row, const float** logits) const;
  Status Next(const cllm_sampling* sampling, uint32_t* token);
  Status Rewind(uint32_t position);
  uint32_t position() const { return position_; }

 private:
  Session(const Model& model, const SessionPlan& plan, const cllm_workers* workers, uint8_t* room);

  // Runs the tokens, at most a batch, through the model; logits of the last `logits_rows` of them.
  void Forward(const uint32_t* tokens, uint32_t count, uint32_t logits_rows);
  // How many ranges of rows go through the layers side by side, each on one worker.
  uint32_t RowRanges(uint32_t count) const;
  // Rows [begin, end) of the batch of `count`: what is between the writing of one layer's keys and the next
  // one's. Step 0 begins with the tokens, step `layers` ends with the residual.
  void Step(uint32_t step, const uint32_t* tokens, size_t begin, size_t end, size_t count,
            const cllm_workers* workers);
  void Embed(const uint32_t* tokens, size_t begin, size_t end);
  AttentionBuffers AttentionOf(uint32_t layer, size_t begin, size_t end) const;
  FeedForwardBuffers FeedForwardOf(size_t begin, size_t end) const;
  QuantizedRows QuantizedFrom(size_t begin) const;
  void ComputeLogits(uint32_t first_row, uint32_t rows);
  template <class T>
  T* At(uint64_t offset) const {
    return reinterpret_cast<T*>(room_ + offset);
  }
  const cllm_workers* workers() const { return workers_.count > 1 ? &workers_ : nullptr; }

  Model model_;
  SessionPlan plan_;
  LayerShape shape_;
  Tensor embedding_, final_norm_, head_;
  cllm_workers workers_;
  uint8_t* room_;
  uint32_t position_ = 0;
  uint32_t logits_count_ = 0;  // rows of logits that are valid
};

static_assert(sizeof(Session) <= kSessionBytes);
static_assert(sizeof(LayerWeights) <= kLayerWeightsBytes);
static_assert(sizeof(RowScale) == kRowScaleBytes);

}  // namespace cllm

#endif  // CLLM_SESSION_SESSION_H_
