#include "converter/run/evaluate.h"

#include <doctest/doctest.h>

#include <cmath>

#include "converter/run/hosted_session.h"
#include "converter/tokenizer/train.h"
#include "support/random_model.h"

namespace cllm {
namespace {

Checkpoint LetterCheckpoint(bool begin) {
  Architecture architecture;
  architecture.context = 20;
  architecture.width = 16;
  architecture.layers = 1;
  architecture.heads = architecture.kv_heads = 2;
  architecture.head_size = 8;
  architecture.hidden = 16;
  TokenizerTables tokenizer = TrainCharacters({"abcdefgh"}).value();
  architecture.vocabulary_size = static_cast<uint32_t>(tokenizer.pieces.size());
  if (!begin) tokenizer.begin_token = tokenizer.end_token = CLLM_NO_TOKEN;
  Checkpoint checkpoint = testing::RandomCheckpoint(architecture, 3);
  checkpoint.tokenizer = tokenizer;
  return checkpoint;
}

// -log of the probability of `target` after `sequence`, which is fed token by token to a session of its own.
double Surprise(const cllm_model& model, const std::vector<uint32_t>& sequence, uint32_t target) {
  const HostedSession session = HostedSession::Create(model, cllm_limits{}, nullptr).value();
  for (const uint32_t token : sequence) REQUIRE(cllm_session_feed(session.get(), &token, 1) == CLLM_OK);
  const float* logits = nullptr;
  REQUIRE(cllm_session_logits(session.get(), 0, &logits) == CLLM_OK);
  double sum = 0;
  for (uint32_t i = 0; i < Describe(model).vocabulary_size; ++i) sum += std::exp(double{logits[i]});
  return std::log(sum) - double{logits[target]};
}

TEST_CASE("the loss is the sum of each token's surprise in its window") {
  const std::string text = "abcdefghhgfedcbaacegbdfhabcabcdd";
  for (const bool begin : {true, false}) {
    const ModelFile file = testing::MakeModel(LetterCheckpoint(begin), Dtype::kF32);
    for (const uint32_t context : {1u, 2u, 7u, 20u, 0u}) {
      CAPTURE(begin);
      CAPTURE(context);
      EvaluateOptions options;
      options.context = context;
      const EvaluateResult result = Evaluate(*file.handle(), text, options).value();
      const size_t length = context == 0 ? 20 : context;
      const size_t first = begin ? 0 : 1;  // the first character that is predicted
      double nats = 0;
      for (size_t i = first; i < text.size(); ++i) {
        const size_t window = (i - first) / length * length + first;
        std::vector<uint32_t> sequence;
        if (begin) sequence.push_back(kTrainedBeginToken);
        for (size_t j = window - (begin ? 0 : 1); j < i; ++j) {
          sequence.push_back(static_cast<uint32_t>(text[j] - 'a') + 2);
        }
        nats += Surprise(*file.handle(), sequence, static_cast<uint32_t>(text[i] - 'a') + 2);
      }
      CHECK(result.tokens == text.size() - first);
      CHECK(result.nats == doctest::Approx(nats).epsilon(1e-6));
    }
  }
}

}  // namespace
}  // namespace cllm
