// Pinned digests: the same on x86 at every SIMD level, on ARM, RISC-V and wherever else these tests run. A
// change here needs its reason in the commit.
#include <doctest/doctest.h>

#include <string>

#include "converter/export/sha256.h"
#include "kernels/targets.h"
#include "support/random_model.h"

namespace cllm {
namespace {

using testing::Limits;
using testing::MakeModel;
using testing::RandomCheckpoint;
using testing::RandomTokens;
using testing::TestSession;

// Head sizes 8 and 12 are no multiple of a wide vector; 33 and 172 take padding.
Checkpoint GoldenCheckpoint(RopePairs pairs, const Variant& variant = {}, uint32_t head_size = 12) {
  Architecture a;
  a.vocabulary_size = 333;
  a.context = 150;
  a.width = 72;
  a.layers = 3;
  a.heads = 6;
  a.kv_heads = 3;
  a.head_size = head_size;
  a.hidden = 172;
  a.rope_pairs = pairs;
  a.tied_head = pairs == RopePairs::kAdjacent;
  a.variant = variant;
  return RandomCheckpoint(a, 2026);
}

std::string LogitsDigest(const ModelFile& file, cllm_kv_format kv) {
  const std::vector<uint32_t> tokens = RandomTokens(333, 150, 1);
  cllm_limits limits = Limits(0, 50, 50);
  limits.kv_format = kv;
  TestSession session(file, limits);
  std::string bits;
  for (size_t begin = 0; begin < tokens.size(); begin += 50) {
    session.Feed(tokens, begin, begin + 50);
    for (uint32_t r = 0; r < 50; ++r) {
      const std::vector<float> row = session.Row(r);
      bits.append(reinterpret_cast<const char*>(row.data()), row.size() * sizeof(float));
    }
  }
  REQUIRE(bits.size() == 150 * 333 * sizeof(float));
  return Hexadecimal(Sha256(bits));
}

void CheckOnEveryTarget(const ModelFile& file, const std::string& expected, cllm_kv_format kv = CLLM_KV_F32) {
  for (int64_t targets = SupportedTargets(); targets != 0; targets &= targets - 1) {
    const std::string name = TargetName(targets & -targets);
    CAPTURE(name);
    REQUIRE(UseTarget(name.c_str()));
    CHECK(LogitsDigest(file, kv) == expected);
  }
  UseTarget(nullptr);
}

TEST_CASE("files are the same bytes on every host") {
  const Checkpoint checkpoint = GoldenCheckpoint(RopePairs::kAdjacent);
  CHECK(Hexadecimal(Sha256(*WriteModelToString(checkpoint, Dtype::kF32))) ==
        "5bc09c27ec410d4cea631db5791737f02e277a738af434d645755f12cf43d3e7");
  CHECK(Hexadecimal(Sha256(*WriteModelToString(checkpoint, Dtype::kBf16))) ==
        "b09a8de049789d8f51b0db3288316b63bdceb66ecd9030862c6ab2358fb7c60f");
  CHECK(Hexadecimal(Sha256(*WriteModelToString(checkpoint, Dtype::kI8))) ==
        "77c778af7380309db63beaa5529535de199df5336c65344b5d68ede083604888");
  CHECK(Hexadecimal(Sha256(*WriteModelToString(checkpoint, Dtype::kI4))) ==
        "f50a31361152158cec26d8c58cab9e3a89c6f610607a4301059814a920dd533a");
}

TEST_CASE("logits of int8 models (class A)") {
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kAdjacent), Dtype::kI8),
                     "be16a2d658f2704cd61812dc6909292085f87f6458eba14b781ed996fd371fff");
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kHalves), Dtype::kI8),
                     "9589bba1a16ad0e3df9e55e74910e495fee541f46d077a52106d404a6e154e17");
}

TEST_CASE("logits of int4 models (class A)") {
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kAdjacent), Dtype::kI4),
                     "38205d20ac1b97a23937dabb39511e780b5fdd7d7024d28aaf6c99b95d1e1023");
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kHalves), Dtype::kI4),
                     "f68460b6099d6f27ebbdc234603cefa88633a8ae7d0bcc18130f01b0069e9c79");
}

TEST_CASE("logits of float models (class B)") {
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kAdjacent), Dtype::kF32),
                     "238b922ee18e3397f2e8fb77265f8b030f219b1e1f8339792bfc4de20236d004");
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kHalves), Dtype::kF32),
                     "be31e513af796632cf9948ec8396d8cd6a3f620612562174541a3d7783cbc724");
}

TEST_CASE("logits of bf16 models (class B)") {
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kAdjacent), Dtype::kBf16),
                     "d31c61830c87c7247a1959abf11111f6e0cd6382c3f82d598e0eccc3fb3001b8");
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kHalves), Dtype::kBf16),
                     "51d6c371891e1b9cef66549616309689d33fa27d76dfc51620db5a64534d2d6c");
}

TEST_CASE("logits with an int8 cache (class A beside the weights)") {
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kAdjacent), Dtype::kI8),
                     "d436faa23aa227b9bd4b35505b79803ef0cf77f5f21e31440db7556082e5f5d8", CLLM_KV_INT8);
  CheckOnEveryTarget(MakeModel(GoldenCheckpoint(RopePairs::kHalves), Dtype::kF32),
                     "8c93d32f1af3f2e751ca08a5b9c1f0eef0a8a3f689eee6dac0fc48f14ada80e3", CLLM_KV_INT8);
}

// Heads of 24, of which the transform takes 8 numbers at a time.
TEST_CASE("logits with a cache on the lattice (class A beside the weights)") {
  const auto model = [](RopePairs pairs, Dtype weights) {
    return MakeModel(GoldenCheckpoint(pairs, {}, 24), weights);
  };
  CheckOnEveryTarget(model(RopePairs::kAdjacent, Dtype::kI8),
                     "aafe2d412e611d058102a76f6fb852116c306d127e505f25e4d61d0ae549f1bf", CLLM_KV_LATTICE4);
  CheckOnEveryTarget(model(RopePairs::kHalves, Dtype::kF32),
                     "4b7035285846cdb3c136d8292daeae0a9ec2fdbab003cc2bd16c90bdb917080b", CLLM_KV_LATTICE4);
  CheckOnEveryTarget(model(RopePairs::kHalves, Dtype::kI8),
                     "13b08ff4affad312f004f3a434ce7bdfd193ee8a77f0c0cd077dce0571936507",
                     CLLM_KV_INT8_LATTICE4);
}

TEST_CASE("a saved state is the same bytes on every machine") {
  const std::vector<uint32_t> tokens = RandomTokens(333, 150, 1);
  const auto digest = [&](cllm_kv_format kv, uint32_t head_size = 12) {
    const ModelFile file = MakeModel(GoldenCheckpoint(RopePairs::kAdjacent, {}, head_size), Dtype::kI8);
    cllm_limits limits = Limits(0, 50);
    limits.kv_format = kv;
    TestSession session(file, limits);
    session.Feed(tokens, 0, 77);
    uint64_t bytes = 0;
    REQUIRE(cllm_session_save_measure(session, 0, &bytes) == CLLM_OK);
    std::string state(bytes, '\0');
    REQUIRE(cllm_session_save(session, 0, state.data(), bytes) == CLLM_OK);
    return Hexadecimal(Sha256(state));
  };
  CHECK(digest(CLLM_KV_F32) == "1d8339c0e890282ae232560f81d50d7d3d7f520a47f06d4a95cebffcb546aa66");
  CHECK(digest(CLLM_KV_INT8) == "6eb0a059c64365529fbaa415e7acead4b6eb99497d773833e8fbc42f30466d5f");
  CHECK(digest(CLLM_KV_LATTICE4, 24) == "224ee66e1911550b9f1cfcfa941568cba6b48161f5824232ab9eeb81f7b38ffc");
  CHECK(digest(CLLM_KV_INT8_LATTICE4, 24) ==
        "0f3de4232b69d4b09e29c11febf120c97f544691f73df489d26fe117eaeed2a7");
}

Variant FeedForward(Activation activation, bool gated) {
  Variant variant;
  variant.activation = activation;
  variant.gated = gated;
  return variant;
}

TEST_CASE("logits of other feed-forward blocks: int8 (class A), float (class B)") {
  const struct {
    Variant variant;
    const char *int8, *floats;
  } blocks[] = {
      {FeedForward(Activation::kReluSquared, false),
       "9c7e411ff2b4706f81de3dcfac4abfd2fabee642560486d488e467ec711ea72e",
       "d135399f0fd47c14c605a8780d8874bc41f858e1de9ec8ebfc1b39c5020cb7ea"},
      {FeedForward(Activation::kGeluTanh, true),
       "265b2977c791d141bb201414642b0ac997674a33f3b8cf6bde4bd40cfce7e436",
       "5df99f38dc70ed2cea5c74ae6ab5773da8383be380c2c6121820814d3ab39da2"},
      {FeedForward(Activation::kGeluErf, false),
       "e004d668fdce61fda53d6a484e27c4ca73b819ea482c07a61283997883689ab2",
       "c6660d05f69de4030736e9eccb84304a02e2f5f3f54a9f6c5e4f93171ff81e74"},
  };
  for (const auto& block : blocks) {
    const Checkpoint checkpoint = GoldenCheckpoint(RopePairs::kHalves, block.variant);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kI8), block.int8);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kF32), block.floats);
  }
}

// Everything at once, by pairs of switches that exclude each other.
Variant EverySwitch(bool first) {
  Variant variant;
  variant.norm = first ? Norm::kLayer : Norm::kAffine;
  variant.activation = first ? Activation::kGeluTanh : Activation::kReluSquared;
  variant.gated = !first;
  variant.rope = !first;
  variant.learned_positions = first;
  variant.rotary_size = first ? 0 : 6;
  variant.query_key_value_bias = variant.attention_output_bias = variant.feed_forward_bias = true;
  variant.query_key_norm = true;
  variant.logit_softcap = first ? 20.0f : 0.0f;
  variant.attention_softcap = 3.0f;
  variant.attention_scale = first ? 0.0f : 0.4f;
  variant.embedding_scale = 1.5f;
  variant.residual_scale = 0.7f;
  variant.logit_scale = 1.25f;
  return variant;
}

TEST_CASE("logits with every switch: int8 and int4 (class A), float (class B), an int8 cache") {
  const struct {
    const char *int8, *int4, *floats, *int8_cache;
  } digests[] = {
      {"469de8b6b64ab2bd2e437477cc4e8c9e22fb67436d6131d7222496b70d953387",
       "82ed6dba3910f76892393ec33bc56b942505bb38ba9c3c188a88553c85b891ce",
       "53d09b80d4d01f7393092216ce8f4e3ed1ff5ff277e63532c8e93000a5b22cd8",
       "08852c5f0f2a5d23a2c633b4ab49ee1a532575d2854294f904bdb4a2ac431406"},
      {"52b11f3826aadcd5e356a2debd3f05ee0de0d68026869fbaaefd9b8cd3823f83",
       "f14ce994c14c12176496dc3dafee1c541b1ebef9d209416f7bbca1425ba10a3f",
       "bc9ce2563aacd403979ee607cabf8fc9664d733452d0fae0cc87afc1e35742fc",
       "23f26fc6e273479f058a77cde9aec97be410735fcb2722988ec616c74dd1eed2"},
  };
  for (const bool first : {true, false}) {
    const Checkpoint checkpoint = GoldenCheckpoint(RopePairs::kHalves, EverySwitch(first));
    const auto& expected = digests[first ? 0 : 1];
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kI8), expected.int8);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kI4), expected.int4);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kF32), expected.floats);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kI8), expected.int8_cache, CLLM_KV_INT8);
  }
}

// A window in every second layer, and norms after each half, or halves side by side.
Variant Placement(bool parallel) {
  Variant variant;
  variant.norm_placement = parallel ? NormPlacement::kBefore : NormPlacement::kBeforeAndAfter;
  variant.parallel_block = parallel;
  variant.sliding_window = parallel ? 70 : 5;
  variant.sliding_window_period = 2;
  variant.sliding_window_phase = parallel ? 1 : 0;
  variant.attention_output_bias = true;
  return variant;
}

TEST_CASE("logits with windows, norms after the halves, parallel halves: int8 (class A), float (class B)") {
  const struct {
    const char *int8, *floats, *int8_cache;
  } digests[] = {{"9dbdc1d50804148dddb0848793909d4e8ead14c20c6d1d7a6c0fdbd08c9a7ebf",
                  "7c34253eb8177e67e8257a74d807f0b0fe9492c7a5c426e4c634bce46412fd9a",
                  "1dc152b24a0c6228a093e7567089e5a99d20a1e92179ae9b31471e2e3e70d348"},
                 {"baf163250a17b30d536113a0223afc07cbb9592f83074e981d37367834a40b97",
                  "46a3644b3f3b4efd2e18e442b5ac730b5d31ebc5b100901b515c93762890b58c",
                  "fb26ac8aba791dbbcf738fc9093bc212b56614aed52ae3fc3efd4d3fc46708e0"}};
  for (const bool parallel : {false, true}) {
    const Checkpoint checkpoint = GoldenCheckpoint(RopePairs::kHalves, Placement(parallel));
    const auto& expected = digests[parallel ? 1 : 0];
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kI8), expected.int8);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kF32), expected.floats);
    CheckOnEveryTarget(MakeModel(checkpoint, Dtype::kI8), expected.int8_cache, CLLM_KV_INT8);
  }
}

}  // namespace
}  // namespace cllm
