#include "converter/finetune/finetune.h"

#include <algorithm>
#include <set>

#include "doctest/doctest.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::MakeModel;
using testing::SmallCheckpoint;

std::vector<TuningSequence> Sequences(const ModelFile& file, const std::string& text,
                                      const std::string& after = "", uint32_t length = 24) {
  auto sequences = MakeSequences(*file.handle(), text, DocumentSplit::kLines, after, length);
  REQUIRE(sequences.ok());
  return *std::move(sequences);
}

FinetuneOptions Options() {
  FinetuneOptions options;
  options.limits.length = 24;
  options.limits.adapted = CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_DOWN;
  options.limits.rank = 4;
  options.limits.trained = CLLM_TUNE_NORMS;
  options.steps = 30;
  options.batch = 2;
  options.rate = 0.02f;
  return options;
}

TEST_CASE("sequences run from the begin token to the end token, prompts are not learned, long ones are cut") {
  const ModelFile file = MakeModel(SmallCheckpoint(), Dtype::kI8);
  const auto whole = Sequences(file, "ace\nf");
  REQUIRE(whole.size() == 2);
  CHECK(whole[0].inputs.size() == 4);
  CHECK(whole[0].inputs[0] == 0);
  CHECK(whole[0].targets.back() == 1);
  CHECK(whole[0].counted == 4);
  CHECK(std::equal(whole[0].inputs.begin() + 1, whole[0].inputs.end(), whole[0].targets.begin()));

  const auto answers = Sequences(file, "ac>ef", ">");
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].counted == 3);  // e, f, the end
  CHECK(answers[0].targets[2] == CLLM_NO_TOKEN);
  CHECK(answers[0].targets[3] != CLLM_NO_TOKEN);
  CHECK(answers[0].inputs[3] == 2 + '>');

  const auto cut = Sequences(file, "acefacef", "", 4);
  REQUIRE(cut.size() == 3);
  CHECK(cut[1].inputs[0] == cut[0].targets[3]);
  CHECK(cut[2].counted == 1);
  CHECK_FALSE(MakeSequences(*file.handle(), "no mark", DocumentSplit::kLines, ">", 24).ok());
  CHECK_FALSE(MakeSequences(*file.handle(), "\n\n", DocumentSplit::kLines, "", 24).ok());
}

TEST_CASE("every sequence comes once an epoch, in orders of their own") {
  SequenceOrder order(5, 7), again(5, 7), other(6, 7);
  std::vector<size_t> first, second, others;
  for (uint64_t i = 0; i < 14; ++i) (i < 7 ? first : second).push_back(order.At(i));
  for (uint64_t i = 0; i < 7; ++i) others.push_back(other.At(i));
  CHECK(std::set<size_t>(first.begin(), first.end()).size() == 7);
  CHECK(std::set<size_t>(second.begin(), second.end()).size() == 7);
  CHECK(first != second);
  CHECK(first != others);
  CHECK(again.At(9) == second[2]);
  CHECK(again.At(3) == first[3]);
}

TEST_CASE("a run learns, and one that was interrupted ends in the same delta") {
  const ModelFile file = MakeModel(SmallCheckpoint(), Dtype::kI8);
  const auto sequences = Sequences(file, "abcabc\nfedfed\nface\nbead");
  FinetuneOptions options = Options();
  const auto whole = Finetune(*file.handle(), sequences, options);
  REQUIRE(whole.ok());
  CHECK(whole->steps == 30);
  CHECK(whole->last_loss < 0.6 * whole->first_loss);

  std::atomic<int> stop{0};
  std::string state;
  options.stop = &stop;
  options.progress = [&](uint64_t step, double) { stop = step == 11; };
  options.save = [&](uint64_t step, std::string_view bytes) {
    CHECK(step == 11);
    state = std::string(bytes);
  };
  const auto part = Finetune(*file.handle(), sequences, options);
  REQUIRE(part.ok());
  CHECK(part->interrupted);
  CHECK(part->steps == 11);
  CHECK(part->delta != whole->delta);

  FinetuneOptions rest = Options();
  rest.resume = state;
  rest.limits.room_bytes = whole->info.room_bytes - 1;
  const auto end = Finetune(*file.handle(), sequences, rest);
  REQUIRE(end.ok());
  CHECK(end->steps == 30);
  CHECK(end->info.recompute == 1);
  CHECK(end->delta == whole->delta);
  rest.limits.rank = 3;
  CHECK_FALSE(Finetune(*file.handle(), sequences, rest).ok());
}

}  // namespace
}  // namespace cllm
