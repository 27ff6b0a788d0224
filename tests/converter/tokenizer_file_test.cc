#include "converter/tokenizer/tokenizer_file.h"

#include <doctest/doctest.h>

#include <random>

#include "converter/export/write_model.h"
#include "converter/tokenizer/train.h"
#include "support/file_tools.h"
#include "support/small_file.h"

namespace cllm {
namespace {

bool Same(const TokenizerTables& a, const TokenizerTables& b) {
  const auto merges = [](const TokenizerTables& t) {
    std::vector<uint32_t> all;
    for (const auto& [left, right, result] : t.merges) all.insert(all.end(), {left, right, result});
    return all;
  };
  return a.kind == b.kind && a.pretokenizer == b.pretokenizer && a.prefix_space == b.prefix_space &&
         a.begin_token == b.begin_token && a.end_token == b.end_token && a.unknown_token == b.unknown_token &&
         a.byte_token_base == b.byte_token_base && a.pieces == b.pieces && a.scores == b.scores &&
         merges(a) == merges(b);
}

constexpr TokenizerKind kKinds[] = {TokenizerKind::kByteBpe, TokenizerKind::kScoredMerges,
                                    TokenizerKind::kCharacters, TokenizerKind::kWordPiece,
                                    TokenizerKind::kWords};

TEST_CASE("every kind of tokenizer comes back from its JSON, and from a model") {
  const testing::TemporaryDirectory folder;
  for (const TokenizerKind kind : kKinds) {
    CAPTURE(TokenizerKindName(kind));
    TokenizerTables tables = testing::SmallTokenizer(kind);
    tables.prefix_space = kind == TokenizerKind::kScoredMerges;
    const std::string json = TokenizerToJson(tables);
    const auto back = TokenizerFromJson(json);
    REQUIRE(back.ok());
    CHECK(Same(tables, *back));
    CHECK(TokenizerToJson(*back) == json);
    testing::WriteBytes(folder.path() + "/t.json", json);
    testing::WriteBytes(folder.path() + "/m.cllm", testing::SmallFile(Dtype::kF32, kind));
    CHECK(Same(*ReadTokenizerFile(folder.path() + "/t.json"), tables));
    tables.prefix_space = false;
    CHECK(Same(*ReadTokenizerFile(folder.path() + "/m.cllm"), tables));
  }
}

TEST_CASE("what is no tokenizer is refused") {
  const std::string json = TokenizerToJson(testing::SmallTokenizer(TokenizerKind::kByteBpe));
  const auto message = [](const std::string& text) {
    return std::string(TokenizerFromJson(text).status().message());
  };
  CHECK(message("{}").find("is no tokenizer") != std::string::npos);
  CHECK(message("[1]").find("is no tokenizer") != std::string::npos);
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = json;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return message(text.replace(at, from.size(), to));
  };
  CHECK(changed("\"version\": 1", "\"version\": 2").find("newer version") != std::string::npos);
  CHECK(changed("byte_bpe", "byte_bpf").find("kind is unknown") != std::string::npos);
  CHECK(changed("\"byte_token_base\": 2", "\"byte_token_base\": 200").find("256 byte tokens") !=
        std::string::npos);
  CHECK(changed("\"end_token\": 1", "\"end_token\": -1") != "");
  CHECK(changed("[99,100,264]", "[99,100,9999]").find("not in its vocabulary") != std::string::npos);
  // Cut anywhere: never a tokenizer, never a crash.
  for (size_t size = 0; size + 2 < json.size(); size += 7) CHECK(!message(json.substr(0, size)).empty());
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string text = json;
    for (int k = 0; k < 3; ++k) text[random() % text.size()] = static_cast<char>(random());
    (void)TokenizerFromJson(text);
  }
}

}  // namespace
}  // namespace cllm
