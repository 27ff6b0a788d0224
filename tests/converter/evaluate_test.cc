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

TEST_CASE("documents are read from their beginnings, and their ends predicted") {
  const std::string text = "abcdefgh\nha\n\nc\n";
  for (const bool begin : {true, false}) {
    CAPTURE(begin);
    const ModelFile file = testing::MakeModel(LetterCheckpoint(begin), Dtype::kF32);
    EvaluateOptions options, alone;
    options.documents = DocumentSplit::kLines;
    options.context = alone.context = 5;
    const EvaluateResult result = Evaluate(*file.handle(), text, options).value();
    alone.documents = DocumentSplit::kWhole;
    double nats = 0;
    uint64_t tokens = 0, bytes = 0, windows = 0;
    for (const char* document : {"abcdefgh", "ha", "c"}) {
      const auto part = Evaluate(*file.handle(), document, alone);
      if (!part.ok()) continue;  // "c", for a model that cannot predict a first token
      nats += part->nats;
      tokens += part->tokens;
      bytes += part->bytes;
      windows += part->windows;
    }
    CHECK(result.nats == nats);
    CHECK(result.tokens == tokens);
    CHECK(result.tokens == (begin ? 14 : 8));
    CHECK(result.bytes == bytes);
    CHECK(result.bytes == (begin ? 11 : 8));
    CHECK(result.windows == windows);
  }
  // The end token's surprise after all of the document.
  const Checkpoint checkpoint = LetterCheckpoint(true);
  const ModelFile file = testing::MakeModel(checkpoint, Dtype::kF32);
  EvaluateOptions with_end;
  with_end.documents = DocumentSplit::kWhole;
  const double difference =
      Evaluate(*file.handle(), "abc", with_end)->nats - Evaluate(*file.handle(), "abc", {})->nats;
  CHECK(difference == doctest::Approx(Surprise(*file.handle(), {0, 2, 3, 4}, 1)).epsilon(1e-5));
}

}  // namespace
}  // namespace cllm
