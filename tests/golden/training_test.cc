// Pinned digests of trained weights, which hold every sum of forward pass, backward pass and update to its
// order: the same at every SIMD level and on every machine. A change here needs its reason in the commit.
#include <doctest/doctest.h>

#include <map>
#include <string>

#include "converter/export/sha256.h"
#include "converter/train/train.h"
#include "kernels/targets.h"
#include "tests/train/small_training.h"

namespace cllm {
namespace {

std::string WeightsDigest(const TrainOptions& options, const Variant& variant) {
  Architecture architecture = testing::Small();
  architecture.variant = variant;
  const auto result = Train(options, InitialCheckpoint(architecture, 1), testing::Text(), {});
  REQUIRE(result.ok());
  std::string bits;
  for (const auto& [key, tensor] : result->checkpoint.tensors) {
    bits.append(reinterpret_cast<const char*>(tensor.values.data()), tensor.values.size() * sizeof(float));
  }
  return Hexadecimal(Sha256(bits));
}

void CheckOnEveryTarget(const TrainOptions& options, const std::string& expected,
                        const Variant& variant = {}) {
  for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
    const std::string name = TargetName(targets & -targets);
    CAPTURE(name);
    REQUIRE(UseTarget(name.c_str()));
    CHECK(WeightsDigest(options, variant) == expected);
  }
  UseTarget(nullptr);
}

TEST_CASE("weights after ten steps of each optimiser") {
  TrainOptions options = testing::Options();
  options.recipe.steps = 10;
  CheckOnEveryTarget(options, "c585285abf1fa8b1963482aa8bf64ce527c3b95448e89b3c049bf06c5c73a7c8");
  options.recipe.method = CLLM_SGD;
  options.recipe.learning_rate = 0.1f;
  CheckOnEveryTarget(options, "519ea565bd34fbcf8a497f40f42c2fa3835ad8f6acb323d1935f174af9a2455e");
  options.recipe.method = CLLM_MUON;
  options.recipe.learning_rate = 1e-2f;
  CheckOnEveryTarget(options, "f9f50e10383fb06644f69c4df1a2c3f8243f6b05a6b89b432cf14728d0a90d1b");
}

TEST_CASE("weights after ten steps with dropout, label smoothing and an average") {
  TrainOptions options = testing::Options();
  options.recipe.steps = 10;
  options.recipe.dropout = 0.1f;
  options.recipe.label_smoothing = 0.1f;
  options.recipe.average = 0.9f;
  CheckOnEveryTarget(options, "f10d9fb44b22108d69fcaf6d08999960b64a639b3d05c3f2acc379d2d620c6b9");
}

// Also by the dispatch's own choice, which alone may have an instruction for pairs of bfloat16 factors.
TEST_CASE("weights after ten steps of mixed precision") {
  TrainOptions options = testing::Options();
  options.recipe.steps = 10;
  options.recipe.precision = CLLM_BFLOAT16;
  const std::string expected = "f0359f5587d1de0d81223bb5b13cca7a4ff3cb50a6d8751189e01aa96b28519d";
  CheckOnEveryTarget(options, expected);
  CHECK(WeightsDigest(options, {}) == expected);
}

Variant NormsAndBiases(Norm norm) {
  Variant variant;
  variant.norm = norm;
  variant.activation = Activation::kReluSquared;
  variant.gated = false;
  variant.query_key_norm = variant.query_key_value_bias = variant.feed_forward_bias = true;
  variant.logit_softcap = 15.0f;
  variant.attention_softcap = 10.0f;
  variant.residual_scale = 0.5f;
  return variant;
}

TEST_CASE("weights after ten steps of other architectures") {
  TrainOptions options = testing::Options();
  options.recipe.steps = 10;
  CheckOnEveryTarget(options, "3c41da442e5fe3bd72fd95b453653314b50a961ef5f8cb272e1e292cba37d96c",
                     NormsAndBiases(Norm::kRms));
  CheckOnEveryTarget(options, "e0d1992d6d21009014314e85ae69a84a204332b729c0202183ad64f1352c23ab",
                     NormsAndBiases(Norm::kLayer));
  CheckOnEveryTarget(options, "7aff47446b46e81c0cac3839e5af11d30e0348bc90734685636b0b8f25b9a288",
                     NormsAndBiases(Norm::kBatch));
}

}  // namespace
}  // namespace cllm
