#include "converter/tokenizer/encode_text.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "converter/tokenizer/train.h"
#include "tests/tokens/plain_tokenizer.h"
#include "tests/tokens/tokenizer_model.h"

namespace cllm {
namespace {

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("a long text in parts gives the tokens of the whole") {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < 3500000) {
    text += plain::RandomText(random, random() % 40, 6, 2);
    text += random() % 3 ? "\n" : "\n  b";
  }
  for (const TokenizerTables& tables : {TrainByteBpe({text}, 600).value(), TrainCharacters({text}).value()}) {
    const TokenizerSegments segments = PackTokenizer(tables).value();
    const auto tokens = EncodeText(ViewOfSegments(tables, segments), text);
    REQUIRE(tokens.ok());
    CHECK(*tokens == plain::RunEncode(ViewOfSegments(tables, segments), text).tokens);
    CHECK(EncodeText(tables, text).value() == *tokens);
    const TokenizerModel model(tables);
    CHECK(EncodeText(*model.handle(), text).value() == *tokens);
    CHECK(DecodeTokens(*model.handle(), *tokens).value() == text);
  }
  // No place to cut at all.
  const TokenizerTables tables = TrainByteBpe({text}, 600).value();
  const std::string run(2500000, 'b');
  const TokenizerSegments segments = PackTokenizer(tables).value();
  CHECK(EncodeText(tables, run).value() == plain::RunEncode(ViewOfSegments(tables, segments), run).tokens);
  CHECK(EncodeText(tables, "").value().empty());
}

TEST_CASE("errors name the character and the remedy") {
  const TokenizerTables tables = TrainCharacters({"abc\n"}).value();
  std::string text;
  while (text.size() < 2000000) text += "abc\n";
  const std::string message = Message(EncodeText(tables, text + "ab\xC3\xA9").status());
  CHECK(message.find("'\xC3\xA9', byte 2000002") != std::string::npos);
  CHECK(message.find("--tokenizer bpe") != std::string::npos);
  const TokenizerModel model(tables);
  CHECK(Message(DecodeTokens(*model.handle(), {2, 6}).status()).find("Token 6") != std::string::npos);
  const TokenizerModel none{TokenizerTables()};
  CHECK(Message(EncodeText(*none.handle(), "a").status()).find("no tokenizer") != std::string::npos);
  CHECK(Message(DecodeTokens(*none.handle(), {0}).status()).find("no tokenizer") != std::string::npos);
}

}  // namespace
}  // namespace cllm
