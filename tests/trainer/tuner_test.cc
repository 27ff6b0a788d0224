// Tuners: the same bits for every plan, number of workers, SIMD level and interruption; deltas that sessions
// run; limits.
#include "trainer/tuner.h"

#include <cmath>
#include <string>
#include <vector>

#include "doctest/doctest.h"
#include "kernels/targets.h"
#include "tests/trainer/tuner_fixture.h"

namespace cllm::testing {
namespace {

Architecture Shape(uint32_t width = 40) {
  Architecture a;
  a.vocabulary_size = 50;
  a.context = 40;
  a.width = width;
  a.layers = 3;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 10;
  a.hidden = 52;
  return a;
}

struct Batch {
  std::vector<std::vector<uint32_t>> inputs, targets;
  explicit Batch(uint32_t vocabulary, uint32_t longest = 33) {
    for (const uint32_t length : {longest, 5u, 1u, longest / 2}) {
      std::vector<uint32_t> tokens = RandomTokens(vocabulary, length + 1, length);
      inputs.emplace_back(tokens.begin(), tokens.end() - 1);
      targets.emplace_back(tokens.begin() + 1, tokens.end());
      targets.back()[length / 3] = length > 1 ? CLLM_NO_TOKEN : targets.back()[0];
    }
  }
};

constexpr cllm_method kMethods[] = {CLLM_ADAMW, CLLM_SGD, CLLM_ADAMW8};

void Step(TestTuner& tuner, const Batch& batch, size_t from = 0) {
  for (size_t s = from; s < batch.inputs.size(); ++s) {
    tuner.Accumulate(batch.inputs[s], batch.targets[s], 1.0f / 60);
  }
  const cllm_optimizer optimizer = Optimizer(0.02f, 0.9f, 0.99f, 1e-8f, 0.01f);
  float norm = 0;
  CHECK(cllm_tuner_update(tuner, &optimizer, &norm) == CLLM_OK);
  CHECK(norm > 0.0f);
}

std::string DeltaAfter(const ModelFile& file, const cllm_tuner_limits& limits, const Batch& batch,
                       const cllm_workers* workers = nullptr) {
  TestTuner tuner(file, limits, workers);
  for (int step = 0; step < 3; ++step) Step(tuner, batch);
  CHECK(cllm_tuner_steps(tuner) == 3);
  CHECK(tuner.GuardsIntact());
  return tuner.Delta();
}

cllm_tuner_limits Everything(cllm_method method) {
  cllm_tuner_limits limits =
      TunerLimits(33, CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_ATTENTION_OUTPUT | CLLM_TUNE_GATE_UP, 4,
                  CLLM_TUNE_DOWN | CLLM_TUNE_NORMS | CLLM_TUNE_EMBEDDING);
  limits.method = method;
  return limits;
}

TEST_CASE("no delta depends on the room, the workers or the SIMD level") {
  const Batch batch(Shape().vocabulary_size);
  for (const WeightFormats& format : EveryFormat()) {
    const ModelFile file = MakeModel(RandomCheckpoint(Shape(), 4), format);
    for (const cllm_method method : kMethods) {
      cllm_tuner_limits limits = Everything(method);
      const cllm_tuner_info whole = MeasureTuner(file, limits);
      CHECK(whole.recompute == 0);
      CHECK(whole.chunk == 33);
      const std::string delta = DeltaAfter(file, limits, batch);
      uint32_t chunk = 33;
      for (uint64_t room = whole.room_bytes - 1;;) {
        limits.room_bytes = room;
        cllm_tuner_info info = {};
        info.struct_size = sizeof(info);
        const cllm_status status = cllm_tuner_measure(file.handle(), &limits, &info);
        if (status == CLLM_ROOM_TOO_SMALL) {
          CHECK(info.room_bytes > room);
          CHECK(chunk < 33);
          break;
        }
        REQUIRE(status == CLLM_OK);
        CHECK(info.recompute == 1);
        CHECK(info.chunk <= chunk);
        CHECK(info.room_bytes <= room);
        chunk = info.chunk;
        CHECK(DeltaAfter(file, limits, batch) == delta);
        room = info.room_bytes - 1;
      }
    }
    const cllm_tuner_limits limits = Everything(CLLM_ADAMW);
    const std::string delta = DeltaAfter(file, limits, batch);
    for (const uint32_t workers : {2u, 3u, 5u}) {
      CHECK(DeltaAfter(file, limits, batch, PlainWorkers(workers).get()) == delta);
    }
    for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
      REQUIRE(UseTarget(TargetName(targets & -targets)));
      CHECK(DeltaAfter(file, limits, batch) == delta);
    }
    UseTarget(nullptr);
  }
}

TEST_CASE("workers change no bit where there is enough for all of them to do") {
  Architecture a = Shape(128);
  a.hidden = 300;
  a.vocabulary_size = 400;
  const ModelFile file = MakeModel(RandomCheckpoint(a, 4), Dtype::kI8);
  const Batch batch(a.vocabulary_size);
  const cllm_tuner_limits limits = Everything(CLLM_ADAMW8);
  const std::string delta = DeltaAfter(file, limits, batch);
  for (const uint32_t workers : {2u, 3u, 5u}) {
    CHECK(DeltaAfter(file, limits, batch, PlainWorkers(workers).get()) == delta);
  }
}

TEST_CASE("a tuner goes on from a saved state, also in the middle of a step") {
  const Batch batch(Shape().vocabulary_size);
  const ModelFile file = MakeModel(RandomCheckpoint(Shape(), 4), Dtype::kI8);
  for (const cllm_method method : kMethods) {
    cllm_tuner_limits limits = Everything(method);
    TestTuner tuner(file, limits);
    Step(tuner, batch);
    tuner.Accumulate(batch.inputs[0], batch.targets[0], 1.0f / 60);
    const std::string state = tuner.State();
    Step(tuner, batch, 1);
    Step(tuner, batch);
    const std::string expected = tuner.Delta();
    // Another room, another plan.
    limits.room_bytes = tuner.info().room_bytes - 1;
    TestTuner other(file, limits);
    CHECK(other.info().recompute == 1);
    Step(other, batch);
    REQUIRE(cllm_tuner_restore(other, state.data(), state.size()) == CLLM_OK);
    CHECK(cllm_tuner_steps(other) == 1);
    Step(other, batch, 1);
    Step(other, batch);
    CHECK(other.Delta() == expected);

    CHECK(cllm_tuner_restore(other, state.data(), state.size() - 1) == CLLM_TUNER_STATE);
    for (const size_t byte : {0u, 4u, 8u, 31u}) {
      std::string broken = state;
      broken[byte] = static_cast<char>(broken[byte] ^ 0x40);
      CHECK(cllm_tuner_restore(other, broken.data(), broken.size()) == CLLM_TUNER_STATE);
    }
    CHECK(other.Delta() == expected);
  }
}

TEST_CASE("a delta learns: its session's loss is the tuner's, and far below the start") {
  for (const WeightFormats& format : EveryFormat()) {
    ModelFile file = MakeModel(RandomCheckpoint(Shape(), 9), format);
    const std::vector<uint32_t> tokens = RandomTokens(Shape().vocabulary_size, 25, 1);
    const std::vector<uint32_t> inputs(tokens.begin(), tokens.end() - 1),
        targets(tokens.begin() + 1, tokens.end());
    for (const cllm_method method : {CLLM_ADAMW, CLLM_ADAMW8}) {
      cllm_tuner_limits limits = TunerLimits(24, kFourMatrices, 4);
      limits.method = method;
      TestTuner tuner(file, limits);
      const float before = tuner.Evaluate(inputs, targets);
      const cllm_optimizer optimizer = Optimizer(0.02f, 0.9f, 0.99f, 1e-8f, 0.0f);
      for (int step = 0; step < 30; ++step) {
        tuner.Accumulate(inputs, targets, 1.0f / 24);
        CHECK(cllm_tuner_update(tuner, &optimizer, nullptr) == CLLM_OK);
      }
      const float after = tuner.Evaluate(inputs, targets);
      CHECK(after < 0.5f * before);
      ModelFile tuned = MakeModel(RandomCheckpoint(Shape(), 9), format);
      REQUIRE(tuned.ApplyBytes(tuner.Delta(), "a delta").ok());
      TestSession session(tuned, Limits(0, 24, 24));
      session.Feed(inputs, 0, inputs.size());
      double loss = 0;
      for (uint32_t t = 0; t < inputs.size(); ++t) {
        const std::vector<float> logits = session.Row(t);
        double sum = 0;
        for (const float x : logits) sum += std::exp(double{x} - logits[targets[t]]);
        loss += std::log(sum);
      }
      CHECK(std::abs(loss - after) < 1e-4 * before);
    }
  }
}

TEST_CASE("tuning goes on from a delta over the model") {
  const Batch batch(Shape().vocabulary_size);
  ModelFile file = MakeModel(RandomCheckpoint(Shape(), 4), Dtype::kI8);
  const std::string delta = DeltaAfter(file, Everything(CLLM_SGD), batch);
  REQUIRE(file.ApplyBytes(delta, "a delta").ok());
  TestTuner tuner(file, Everything(CLLM_SGD));
  CHECK(tuner.Delta() == delta);
  cllm_tuner_info info = {};
  info.struct_size = sizeof(info);
  cllm_tuner_limits other = Everything(CLLM_SGD);
  other.alpha = 3.0f;
  CHECK(cllm_tuner_measure(file.handle(), &other, &info) == CLLM_NOT_TRAINABLE);
  other = Everything(CLLM_SGD);
  other.trained &= ~CLLM_TUNE_NORMS;
  CHECK(cllm_tuner_measure(file.handle(), &other, &info) == CLLM_NOT_TRAINABLE);
}

TEST_CASE("each switch of an architecture that is not Llama's is refused") {
  void (*const switches[])(Variant&) = {
      [](Variant& v) { v.norm = Norm::kLayer; },
      [](Variant& v) { v.activation = Activation::kRelu; },
      [](Variant& v) { v.gated = false; },
      [](Variant& v) { v.rope = false; },
      [](Variant& v) { v.rope = false, v.learned_positions = true; },
      [](Variant& v) { v.rotary_size = 2; },
      [](Variant& v) { v.query_key_value_bias = true; },
      [](Variant& v) { v.attention_output_bias = true; },
      [](Variant& v) { v.feed_forward_bias = true; },
      [](Variant& v) { v.query_key_norm = true; },
      [](Variant& v) { v.logit_softcap = 5.0f; },
      [](Variant& v) { v.attention_softcap = 5.0f; },
      [](Variant& v) { v.attention_scale = 0.5f; },
      [](Variant& v) { v.embedding_scale = 0.5f; },
      [](Variant& v) { v.residual_scale = 0.5f; },
      [](Variant& v) { v.logit_scale = 0.5f; },
  };
  for (const auto change : switches) {
    Architecture architecture = Shape();
    change(architecture.variant);
    const ModelFile file = MakeModel(RandomCheckpoint(architecture, 4), Dtype::kI8);
    CHECK(MeasureTuner(file, TunerLimits(20), CLLM_NOT_TRAINABLE).room_bytes == 0);
  }
}

TEST_CASE("any part of a delta can be read") {
  const ModelFile file = MakeModel(RandomCheckpoint(Shape(), 4), Dtype::kI8);
  const cllm_tuner_limits limits = Everything(CLLM_SGD);
  TestTuner tuner(file, limits);
  const std::string delta = tuner.Delta();
  for (const size_t part : {1u, 7u, 64u, 1000u, 4096u}) {
    std::string parts;
    for (size_t at = 0; at < delta.size(); at += part) {
      if (part < 64 && at > 2000) break;
      std::string one(std::min<size_t>(part, delta.size() - at), 'x');
      REQUIRE(cllm_tuner_export(tuner, at, one.data(), one.size()) == CLLM_OK);
      parts += one;
    }
    CHECK(parts == delta.substr(0, parts.size()));
  }
  char byte;
  CHECK(cllm_tuner_export(tuner, delta.size(), &byte, 1) == CLLM_INDEX_RANGE);
  CHECK(cllm_tuner_export(tuner, ~uint64_t{0}, &byte, 2) == CLLM_INDEX_RANGE);
}

TEST_CASE("limits out of range") {
  const ModelFile file = MakeModel(RandomCheckpoint(Shape(), 4), Dtype::kI8);
  const auto status = [&](const auto& change) {
    cllm_tuner_limits limits = TunerLimits(8);
    change(limits);
    cllm_tuner_info info = {};
    info.struct_size = sizeof(info);
    return cllm_tuner_measure(file.handle(), &limits, &info);
  };
  using L = cllm_tuner_limits;
  CHECK(status([](L&) {}) == CLLM_OK);
  CHECK(status([](L& l) { l.struct_size -= 4; }) == CLLM_STRUCT_SIZE);
  CHECK(status([](L& l) { l.length = 0; }) == CLLM_LIMIT_LENGTH);
  CHECK(status([](L& l) { l.length = 41; }) == CLLM_LIMIT_LENGTH);
  CHECK(status([](L& l) { l.method = CLLM_MUON; }) == CLLM_LIMIT_METHOD);
  CHECK(status([](L& l) { l.method = 4; }) == CLLM_LIMIT_METHOD);
  CHECK(status([](L& l) { l.rank = 0; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.rank = 257; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.alpha = -1.0f; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.alpha = NAN; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.adapted = 128; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.adapted = CLLM_TUNE_NORMS; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.trained = CLLM_TUNE_DOWN; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.adapted = l.rank = 0; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.first_layer = 3; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.first_layer = 4; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.reserved = 1; }) == CLLM_LIMIT_TUNING);
  CHECK(status([](L& l) { l.room_bytes = 1000; }) == CLLM_ROOM_TOO_SMALL);

  TestTuner tuner(file, TunerLimits(8));
  const std::vector<uint32_t> tokens = {1, 2, 50}, fine = {1, 2, 3};
  float loss = 0;
  CHECK(cllm_tuner_accumulate(tuner, tokens.data(), fine.data(), 3, 1, &loss) == CLLM_TOKEN_RANGE);
  CHECK(cllm_tuner_accumulate(tuner, fine.data(), tokens.data(), 3, 1, &loss) == CLLM_TOKEN_RANGE);
  CHECK(cllm_tuner_accumulate(tuner, fine.data(), fine.data(), 0, 1, &loss) == CLLM_LIMIT_LENGTH);
  CHECK(cllm_tuner_accumulate(tuner, fine.data(), fine.data(), 9, 1, &loss) == CLLM_LIMIT_LENGTH);
  CHECK(cllm_tuner_accumulate(tuner, nullptr, fine.data(), 3, 1, &loss) == CLLM_NULL_ARGUMENT);
  cllm_optimizer optimizer = Optimizer(0.02f, 1.0f, 0.99f, 1e-8f, 0.0f);
  CHECK(cllm_tuner_update(tuner, &optimizer, nullptr) == CLLM_OPTIMIZER_RANGE);
}

TEST_CASE("a gradient that is no number changes nothing") {
  const ModelFile file = MakeModel(RandomCheckpoint(Shape(), 4), Dtype::kI8);
  TestTuner tuner(file, TunerLimits(8));
  const std::vector<uint32_t> tokens = {1, 2, 3};
  const std::string before = tuner.Delta();
  tuner.Accumulate(tokens, tokens, INFINITY);
  const cllm_optimizer optimizer = Optimizer(0.02f, 0.9f, 0.99f, 1e-8f, 0.0f);
  float norm = 0;
  CHECK(cllm_tuner_update(tuner, &optimizer, &norm) == CLLM_OK);
  CHECK_FALSE(std::isfinite(norm));
  CHECK(tuner.Delta() == before);
  CHECK(cllm_tuner_steps(tuner) == 0);
}

}  // namespace
}  // namespace cllm::testing
