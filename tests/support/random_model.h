// Small random models in memory, for tests of every room that needs a file.
#ifndef CLLM_TESTS_SUPPORT_RANDOM_MODEL_H_
#define CLLM_TESTS_SUPPORT_RANDOM_MODEL_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "cllm/cllm.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "model/tensors.h"

namespace cllm::testing {

// A random architecture of a few thousand parameters, odd sizes included.
inline Architecture RandomArchitecture(std::mt19937& random) {
  const auto pick = [&](uint32_t low, uint32_t high) { return low + random() % (high - low + 1); };
  Architecture a;
  a.vocabulary_size = pick(2, 70);
  a.context = pick(1, 100);
  a.width = pick(1, 50);
  a.layers = pick(1, 3);
  a.kv_heads = pick(1, 3);
  a.heads = a.kv_heads * pick(1, 3);
  a.head_size = 2 * pick(1, 10);
  a.hidden = pick(1, 50);
  a.rope_pairs = random() % 2 ? RopePairs::kHalves : RopePairs::kAdjacent;
  a.tied_head = random() % 2;
  return a;
}

// Wide enough for the workers to share the work in each of its ways: whole streams, rows, matrices.
inline Architecture WideArchitecture() {
  Architecture a;
  a.vocabulary_size = 300;
  a.context = 80;
  a.width = 96;
  a.layers = 2;
  a.heads = 6;
  a.kv_heads = 3;
  a.head_size = 16;
  a.hidden = 200;
  return a;
}

// Odd sizes throughout, small enough for a gradient by each parameter.
inline Architecture TinyArchitecture() {
  Architecture a;
  a.vocabulary_size = 21;
  a.context = 9;
  a.width = 12;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 6;
  a.hidden = 19;
  return a;
}

// Such an architecture with every switch that the trainer knows at random.
inline Architecture RandomTrainable(std::mt19937& random) {
  Architecture a = RandomArchitecture(random);
  a.variant.norm = static_cast<Norm>(random() % 3);
  a.variant.activation = static_cast<Activation>(random() % 5);
  a.variant.gated = random() % 2;
  const uint32_t position = random() % 4;
  a.variant.rope = position < 2;
  a.variant.learned_positions = position == 2;
  if (position == 1) a.variant.rotary_size = a.head_size / 4 * 2;
  a.variant.query_key_value_bias = random() % 2;
  a.variant.attention_output_bias = random() % 2;
  a.variant.feed_forward_bias = random() % 2;
  a.variant.query_key_norm = random() % 2;
  if (random() % 2) a.variant.logit_softcap = 5.0f;
  if (random() % 2) a.variant.attention_softcap = 2.0f;
  if (random() % 4 == 0) a.variant.attention_scale = 0.2f;
  if (random() % 4 == 0) a.variant.embedding_scale = 3.5f;
  if (random() % 4 == 0) a.variant.residual_scale = 0.3f;
  if (random() % 4 == 0) a.variant.logit_scale = 0.6f;
  return a;
}

// And the others.
inline Architecture RandomVariant(std::mt19937& random) {
  Architecture a = RandomTrainable(random);
  a.variant.norm_placement = static_cast<NormPlacement>(random() % 3);
  a.variant.parallel_block = !a.variant.norms_after() && random() % 2;
  if (random() % 2) return a;
  a.variant.sliding_window = 1 + random() % a.context;
  a.variant.sliding_window_period = 1 + random() % 3;
  a.variant.sliding_window_phase = random() % a.variant.sliding_window_period;
  a.variant.window_rope = a.variant.rope && random() % 2;
  if (a.variant.window_rope) a.window_rope_turns = RopeTurns(50.0, a.variant.rotary(a.head_size));
  return a;
}

// Weights of about unit gain, so that no part of the model vanishes; norms around one.
inline Checkpoint RandomCheckpoint(const Architecture& architecture, uint32_t seed) {
  Checkpoint checkpoint;
  checkpoint.architecture = architecture;
  std::mt19937 random(seed);
  for (const auto& [key, shape] : TensorShapes(architecture)) {
    FloatTensor& tensor = checkpoint.tensors[key];
    tensor.rows = shape.first;
    tensor.columns = shape.second;
    tensor.values.resize(size_t{shape.first} * shape.second);
    const bool vector = IsVector(key.first) || shape.first == 1;
    const float scale = vector ? 0.3f : 1.7f / std::sqrt(static_cast<float>(shape.second));
    for (float& v : tensor.values) {
      const float uniform = static_cast<float>(random() >> 8) / 8388608.0f - 1.0f;
      v = uniform * scale + (vector ? 1.0f : 0.0f);
    }
  }
  return checkpoint;
}

// Each format of weights, lattices apart from their middle one, and integers of several widths together.
inline std::vector<WeightFormats> EveryFormat() {
  WeightFormats mixed = Dtype::kI4;
  mixed.Set({Role::kTokenEmbedding, 0}, Dtype::kI8);
  mixed.Set({Role::kHead, 0}, Dtype::kI8);
  mixed.Set({Role::kDown, 0}, Dtype::kI8);
  mixed.Set({Role::kGateUp, 0}, Dtype::kLattice3);
  return {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4, Dtype::kLattice2, Dtype::kLattice4, mixed};
}

inline ModelFile MakeModel(const Checkpoint& checkpoint, const WeightFormats& formats) {
  auto bytes = WriteModelToString(checkpoint, formats);
  if (!bytes.ok()) throw std::runtime_error(std::string(bytes.status().message()));
  auto file = ModelFile::FromBytes(*bytes, "test model");
  if (!file.ok()) throw std::runtime_error(std::string(file.status().message()));
  return *std::move(file);
}

inline std::vector<uint32_t> RandomTokens(uint32_t vocabulary, size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint32_t> tokens(count);
  for (uint32_t& token : tokens) token = random() % vocabulary;
  return tokens;
}

// Results that are missing equal nothing.
inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return !a.empty() && a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Memory aligned for rooms, with guard bytes on both sides.
class GuardedRoom {
 public:
  explicit GuardedRoom(uint64_t bytes) : bytes_(bytes), storage_(bytes + 3 * kGuard, kPaint) {
    const uintptr_t start = reinterpret_cast<uintptr_t>(storage_.data()) + kGuard;
    room_ = storage_.data() + kGuard + (CLLM_ALIGNMENT - start % CLLM_ALIGNMENT) % CLLM_ALIGNMENT;
  }
  void* data() { return room_; }
  uint64_t bytes() const { return bytes_; }
  bool GuardsIntact() const {
    for (const uint8_t* p = storage_.data(); p < room_; ++p) {
      if (*p != kPaint) return false;
    }
    for (const uint8_t* p = room_ + bytes_; p < storage_.data() + storage_.size(); ++p) {
      if (*p != kPaint) return false;
    }
    return true;
  }

 private:
  static constexpr uint64_t kGuard = 128;
  static constexpr uint8_t kPaint = 0xA5;
  uint64_t bytes_;
  std::vector<uint8_t> storage_;
  uint8_t* room_;
};

// A session in its own guarded room.
class TestSession {
 public:
  TestSession(const ModelFile& file, cllm_limits limits, const cllm_workers* workers = nullptr)
      : room_(Measure(file, limits)) {
    status = cllm_session_create(file.handle(), &limits, workers, room_.data(), room_.bytes(), &session_);
    vocabulary_ = file.model().config.vocabulary_size;
  }
  operator cllm_session*() { return session_; }  // NOLINT: reads as the C API does
  bool GuardsIntact() const { return room_.GuardsIntact(); }

  // Feeds the tokens and returns the last one's logits.
  std::vector<float> Feed(const std::vector<uint32_t>& tokens, size_t begin, size_t end) {
    status = cllm_session_feed(session_, tokens.data() + begin, static_cast<uint32_t>(end - begin));
    return Row(0);
  }
  std::vector<float> Row(uint32_t row) {
    const float* logits = nullptr;
    if (status == CLLM_OK) status = cllm_session_logits(session_, row, &logits);
    return status == CLLM_OK ? std::vector<float>(logits, logits + vocabulary_) : std::vector<float>();
  }
  cllm_status status;

 private:
  static uint64_t Measure(const ModelFile& file, const cllm_limits& limits) {
    uint64_t bytes = 0;
    if (cllm_session_measure(file.handle(), &limits, &bytes) != CLLM_OK) {
      throw std::runtime_error("limits do not fit the model");
    }
    return bytes;
  }
  GuardedRoom room_;
  cllm_session* session_ = nullptr;
  uint32_t vocabulary_;
};

inline cllm_limits Limits(uint32_t context = 0, uint32_t batch = 0, uint32_t logits_rows = 0) {
  return {sizeof(cllm_limits), context, batch, 0, CLLM_KV_F32, logits_rows};
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_RANDOM_MODEL_H_
