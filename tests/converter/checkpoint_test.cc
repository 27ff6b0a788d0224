#include "converter/checkpoint/checkpoint.h"

#include <functional>
#include <limits>

#include "doctest/doctest.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::SmallArchitecture;
using testing::SmallCheckpoint;

TEST_CASE("names of tensors") {
  CHECK(TensorName({Role::kTokenEmbedding, 0}) == "token_embedding");
  CHECK(TensorName({Role::kGateUp, 3}) == "layers.3.gate_up");
  CHECK(TensorName({Role::kHead, 0}) == "head");
}

TEST_CASE("shapes of an architecture") {
  const auto shapes = TensorShapes(SmallArchitecture());
  using Shape = std::pair<uint32_t, uint32_t>;
  CHECK(shapes.size() == 15);
  CHECK(shapes.at({Role::kTokenEmbedding, 0}) == Shape{270, 10});
  CHECK(shapes.at({Role::kQueryKeyValue, 1}) == Shape{48, 10});
  CHECK(shapes.at({Role::kAttentionOutput, 0}) == Shape{10, 24});
  CHECK(shapes.at({Role::kGateUp, 0}) == Shape{38, 10});
  CHECK(shapes.at({Role::kDown, 1}) == Shape{10, 19});
  CHECK(shapes.at({Role::kAttentionNorm, 0}) == Shape{1, 10});
}

// Computed with Python's decimal module at 60 digits: round(2^64 * theta^(-2i/n) / (2 pi)).
TEST_CASE("RoPE turns are exact") {
  CHECK(RopeTurns(10000.0, 8) == std::vector<uint64_t>{2935890503282001226u, 293589050328200123u,
                                                       29358905032820012u, 2935890503282001u});
  CHECK(RopeTurns(500000.0, 6) ==
        std::vector<uint64_t>{2935890503282001226u, 36989902452714466u, 466043567337330u});
  CHECK(RopeTurns(1000000.5, 4) == std::vector<uint64_t>{2935890503282001226u, 2935889769309651u});
  CHECK(RopeTurns(1.0, 2) == std::vector<uint64_t>{2935890503282001226u});
  CHECK(RopeTurns(10000.0, 128)[63] == 339031346221092u);
}

TEST_CASE("a checkpoint that contradicts itself is named") {
  CHECK(CheckCheckpoint(SmallCheckpoint()).ok());
  const auto message = [](const std::function<void(Checkpoint&)>& edit) {
    Checkpoint checkpoint = SmallCheckpoint();
    edit(checkpoint);
    return std::string(CheckCheckpoint(checkpoint).message());
  };
  const auto has = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(message([](Checkpoint& c) { c.architecture.width = 0; }), "width is 0"));
  CHECK(has(message([](Checkpoint& c) { c.architecture.kv_heads = 3; }), "kv_heads (3)"));
  CHECK(has(message([](Checkpoint& c) { c.architecture.head_size = 5; }), "head_size is 5"));
  CHECK(has(message([](Checkpoint& c) { c.architecture.head_size = 65536; }), "heads * head_size is 262144"));
  CHECK(has(message([](Checkpoint& c) { c.architecture.norm_epsilon = 0; }), "norm_epsilon"));
  CHECK(has(message([](Checkpoint& c) { c.architecture.rope_theta = 0.5; }), "rope_theta is 0.5"));
  CHECK(has(message([](Checkpoint& c) { c.architecture.rope_turns = {1}; }), "rope_turns has 1"));
  CHECK(has(message([](Checkpoint& c) { c.tensors.erase({Role::kDown, 1}); }), "layers.1.down is missing"));
  CHECK(has(message([](Checkpoint& c) { c.tensors[{Role::kDown, 2}]; }), "layers.2.down has no place"));
  CHECK(has(message([](Checkpoint& c) { c.tensors[{Role::kDown, 1}].rows = 11; }), "is 11 x 19"));
  CHECK(has(message([](Checkpoint& c) { c.tensors[{Role::kDown, 1}].values.pop_back(); }), "has 189 values"));
  CHECK(has(message([](Checkpoint& c) {
              c.tensors[{Role::kDown, 1}].values[21] = std::numeric_limits<float>::infinity();
            }),
            "has inf at row 1, column 2"));
  CHECK(has(message([](Checkpoint& c) { c.tokenizer.pieces.pop_back(); }), "the tokenizer has 269 tokens"));
}

}  // namespace
}  // namespace cllm
