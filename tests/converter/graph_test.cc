#include "converter/export/graph.h"

#include "converter/export/turns.h"
#include "doctest/doctest.h"
#include "support/random_model.h"
#include "tests/converter/eager_graph.h"

namespace cllm {
namespace {

TEST_CASE("the graph of a model computes what a session does, with every switch") {
  std::mt19937 random(11);
  for (int i = 0; i < 60; ++i) {
    CAPTURE(i);
    Checkpoint checkpoint = testing::RandomCheckpoint(testing::RandomVariant(random), random());
    const Architecture a = checkpoint.architecture;
    const std::vector<uint32_t> tokens =
        testing::RandomTokens(a.vocabulary_size, std::min(a.context, 10u), random());
    const ModelFile file = testing::MakeModel(checkpoint, Dtype::kF32);
    testing::TestSession session(file, testing::Limits(0, 1));
    RotateByHalves(&checkpoint);
    testing::EagerGraph graph(tokens);
    BuildModelGraph(checkpoint, &graph);
    REQUIRE(graph.logits().shape == std::vector<size_t>{1, tokens.size(), a.vocabulary_size});
    double error = 0, size = 1;
    for (size_t t = 0; t < tokens.size(); ++t) {
      const std::vector<float> logits = session.Feed(tokens, t, t + 1);
      REQUIRE(logits.size() == a.vocabulary_size);
      for (size_t v = 0; v < logits.size(); ++v) {
        const double expected = graph.logits().values[t * logits.size() + v];
        error = std::max(error, std::abs(static_cast<double>(logits[v]) - expected));
        size = std::max(size, std::abs(expected));
      }
    }
    CHECK(error < 1e-4 * size);
  }
}

}  // namespace
}  // namespace cllm
