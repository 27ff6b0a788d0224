// What the fuzzers of deltas and states work on: one small model with integer weights, a delta over it, and a
// session. Made once; a fuzzer runs millions of inputs.
#ifndef CLLM_TESTS_FUZZ_SMALL_SESSION_H_
#define CLLM_TESTS_FUZZ_SMALL_SESSION_H_

#include <cstdio>
#include <cstdlib>
#include <string>

#include "support/delta_file.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm::testing {

inline void Require(bool promise, const char* text) {
  if (promise) return;
  std::fprintf(stderr, "a promise was broken: %s\n", text);
  std::abort();
}

struct SmallBase {
  SmallBase() : file(SmallFile(Dtype::kI8, TokenizerKind::kCharacters)) {
    Require(cllm_model_open(file.data(), file.size(), &model) == CLLM_OK, "the base opens");
    Model view;
    Require(OpenModel(file.data(), file.size(), &view) == CLLM_OK, "the base opens");
    delta = RandomDelta(view,
                        {{Role::kTokenEmbedding, 0, 0},
                         {Role::kAttentionNorm, 1, 0},
                         {Role::kQueryKeyValue, 0, 3},
                         {Role::kGateUp, 1, 2}},
                        1)
                .Build();
  }
  static const SmallBase& Get() {
    static const auto* const base = new SmallBase();
    return *base;
  }
  AlignedBytes file;
  cllm_model model;
  std::string delta;
};

class SmallSession {
 public:
  SmallSession(const cllm_model& model, cllm_kv_format kv) : room_(RoomText(model, kv)) {
    const cllm_limits limits = Limits(kv);
    Require(cllm_session_create(&model, &limits, nullptr, room_.data(), room_.size(), &session_) == CLLM_OK,
            "a session fits its room");
  }
  cllm_session* get() { return session_; }

  // Draws and feeds three tokens.
  void GoOn() {
    const cllm_sampling sampling = {sizeof(cllm_sampling), 1.0f, 5, 0.9f, 0.0f, 1.2f, 0, 1};
    for (int i = 0; i < 3 && cllm_session_position(session_) < kContext; ++i) {
      uint32_t token = 0;
      Require(cllm_session_next(session_, i % 2 == 0 ? &sampling : nullptr, &token) == CLLM_OK, "a draw");
      Require(token < SmallArchitecture().vocabulary_size, "a token of the vocabulary");
      Require(cllm_session_feed(session_, &token, 1) == CLLM_OK, "a token can be fed");
    }
  }

 private:
  static constexpr uint32_t kContext = 12;
  static cllm_limits Limits(cllm_kv_format kv) { return {sizeof(cllm_limits), kContext, 4, 1, kv, 0}; }
  static std::string RoomText(const cllm_model& model, cllm_kv_format kv) {
    uint64_t bytes = 0;
    const cllm_limits limits = Limits(kv);
    Require(cllm_session_measure(&model, &limits, &bytes) == CLLM_OK, "a session can be measured");
    return std::string(static_cast<size_t>(bytes), '\x5A');
  }
  AlignedBytes room_;
  cllm_session* session_ = nullptr;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_SMALL_SESSION_H_
