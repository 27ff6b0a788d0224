#include "converter/data/token_data.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <numeric>

#include "converter/data/data_files.h"
#include "converter/tokenizer/train.h"
#include "converter/train/epochs.h"
#include "support/file_tools.h"

namespace cllm {
namespace {

namespace fs = std::filesystem;

std::vector<uint32_t> All(TokenSpan span) {
  std::vector<uint32_t> tokens;
  span.CopyTo(0, span.size(), &tokens);
  return tokens;
}

std::string Lines(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) text += std::string(1, static_cast<char>('a' + i % 26)) + "\n";
  return text;
}

const DocumentSplit kLines = DocumentSplit::kLines;

TEST_CASE("files of folders come in the order of their paths") {
  const testing::TemporaryDirectory folder;
  const std::string root = folder.path();
  fs::create_directories(root + "/b/deep");
  fs::create_directories(root + "/.git");
  for (const char* name : {"/b/2", "/b/10", "/b/deep/x", "/a", "/.hidden", "/.git/config"}) {
    testing::WriteBytes(root + name, "text");
  }
  testing::WriteBytes(root + "/b/empty", "");
  CHECK(*FindDataFiles({root}) ==
        std::vector<std::string>{root + "/a", root + "/b/10", root + "/b/2", root + "/b/deep/x"});
  CHECK(*FindDataFiles({root + "/b/deep", root + "/a"}) ==
        std::vector<std::string>{root + "/b/deep/x", root + "/a"});
  fs::create_directory(root + "/none");
  CHECK(std::string(FindDataFiles({root + "/none"}).status().message()).find("/none: there are no files") !=
        std::string::npos);
}

TEST_CASE("a changed, missing or new file among many is named") {
  const std::vector<DataFile> before = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  const auto message = [&](const std::vector<DataFile>& now) {
    return std::string(CheckSameDataFiles(before, now).message());
  };
  CHECK(message(before).empty());
  CHECK(message({{"a", "1"}, {"b", "9"}, {"c", "3"}}).find("b is not the file") == 0);
  CHECK(message({{"a", "1"}, {"c", "3"}}).find("b is no longer there") == 0);
  CHECK(message({{"a", "1"}, {"aa", "7"}, {"b", "2"}, {"c", "3"}}).find("aa was not there") == 0);
}

TEST_CASE("documents are held out evenly, over all files") {
  const testing::TemporaryDirectory folder;
  testing::WriteBytes(folder.path() + "/1", Lines(0, 13));
  testing::WriteBytes(folder.path() + "/2", Lines(13, 12));
  const auto corpus = Corpus::Scan({folder.path() + "/1", folder.path() + "/2"}, &kLines, 0.2);
  REQUIRE(corpus.ok());
  CHECK(corpus->documents() == 25);
  CHECK(corpus->bytes() == 25);
  std::string held, kept;
  REQUIRE(corpus
              ->ForEach(CorpusPart::kValidation, true,
                        [&](const DocumentPart& p) { return held += p.text, absl::OkStatus(); })
              .ok());
  REQUIRE(corpus
              ->ForEach(CorpusPart::kTraining, true,
                        [&](const DocumentPart& p) { return kept += p.text, absl::OkStatus(); })
              .ok());
  CHECK(held == "ejoty");
  CHECK(kept == "abcdfghiklmnpqrsuvwx");
  const auto few = Corpus::Scan({folder.path() + "/1"}, &kLines, 0.05);
  CHECK_FALSE(few->splits_by_document());
}

TEST_CASE("tokens in memory and in a file; damaged files and those of other text are refused") {
  const testing::TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", path = folder.path() + "/tokens";
  testing::WriteBytes(text, Lines(0, 10));
  const auto corpus = Corpus::Scan({text}, &kLines, 0.2);
  const TokenizerTables tables = TrainCharacters({Lines(0, 10)}).value();  // 2 is the newline, 3 is a
  const auto memory = TokenData::Encode(*corpus, tables, "", "");
  REQUIRE(memory.ok());
  std::vector<uint32_t> training, validation;
  for (uint32_t i = 0; i < 10; ++i) {
    auto& part = i % 5 == 4 ? validation : training;
    part.insert(part.end(), {0, i + 3, 1});
  }
  CHECK(All(memory->training()) == training);
  CHECK(All(memory->validation()) == validation);
  const auto file = TokenData::Encode(*corpus, tables, path, "key");
  REQUIRE(file.ok());
  CHECK(All(file->training()) == training);
  const auto again = TokenData::Open(path, "key");
  REQUIRE(again.ok());
  CHECK(All(again->training()) == training);
  CHECK(All(again->validation()) == validation);
  CHECK(again->documents() == 10);
  CHECK(again->tokenizer().pieces == tables.pieces);
  CHECK(absl::IsDataLoss(TokenData::Open(path, "other").status()));
  CHECK(absl::IsNotFound(TokenData::Open(path + "x", "key").status()));
  const std::string bytes = testing::ReadBytes(path);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    std::string damaged = bytes;
    damaged[i] ^= 1;
    testing::WriteBytes(path, damaged);
    REQUIRE(absl::IsDataLoss(TokenData::Open(path, "key").status()));
    testing::WriteBytes(path, bytes.substr(0, i + 1));
    REQUIRE(absl::IsDataLoss(TokenData::Open(path, "key").status()));
  }
}

TEST_CASE("large vocabularies take 32 bits a token") {
  const testing::TemporaryDirectory folder;
  testing::WriteBytes(folder.path() + "/text", "ab");
  TokenizerTables tables = TrainCharacters({"ab"}).value();
  while (tables.pieces.size() < 65536) tables.pieces.push_back("x" + std::to_string(tables.pieces.size()));
  const auto corpus = Corpus::Scan({folder.path() + "/text"}, nullptr, 0.1);
  const auto narrow = TokenData::Encode(*corpus, tables, folder.path() + "/narrow", "");
  tables.pieces.push_back("more");
  std::swap(tables.pieces[3], tables.pieces.back());  // b
  const auto wide = TokenData::Encode(*corpus, tables, "", "");
  CHECK(All(narrow->training()) == std::vector<uint32_t>{0, 2, 3, 1});
  CHECK(All(wide->training()) == std::vector<uint32_t>{0, 2, 65536, 1});
}

TEST_CASE("a shuffled order is a permutation, another one each time") {
  for (const uint64_t count : {1, 2, 3, 4, 5, 16, 17, 63, 1000, 4097}) {
    std::vector<uint64_t> first;
    for (uint64_t number = 0; number < 3; ++number) {
      std::vector<uint64_t> order(count), sorted(count);
      for (uint64_t i = 0; i < count; ++i) order[i] = Shuffled(i, count, 7, number);
      sorted = order;
      std::sort(sorted.begin(), sorted.end());
      for (uint64_t i = 0; i < count; ++i) REQUIRE(sorted[i] == i);
      if (count > 16 && number > 0) CHECK(order != first);
      if (number == 0) first = order;
    }
  }
  // Neighbours part: the mean distance of a random order is a third of the count.
  double sum = 0;
  for (uint64_t i = 0; i + 1 < 3000; ++i) {
    sum += std::abs(static_cast<double>(Shuffled(i, 3000, 1, 0)) -
                    static_cast<double>(Shuffled(i + 1, 3000, 1, 0)));
  }
  CHECK(sum / 2999 > 900);
  CHECK(sum / 2999 < 1100);
}

TEST_CASE("an epoch has every token as a target once") {
  std::vector<uint32_t> tokens(1000);
  std::iota(tokens.begin(), tokens.end(), 0u);
  std::map<uint32_t, int> seen;
  // 142 windows of 7 tokens, 6 places for the first of them; three epochs.
  for (uint64_t draw = 0; draw < 142 * 3; draw += 3) {
    const Batch batch = ShuffledBatch(7, tokens, 5, draw, 3);
    REQUIRE(batch.targets.size() == 21);
    for (size_t i = 0; i < 21; ++i) {
      REQUIRE(batch.targets[i] == batch.inputs[i] + 1);
      ++seen[batch.targets[i]];
    }
  }
  for (const auto& [token, times] : seen) {
    CHECK(times <= 3);
    if (token > 6 && token < 994) CHECK(times == 3);
  }
}

}  // namespace
}  // namespace cllm
