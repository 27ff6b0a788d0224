#include "tokens/decode.h"

#include <doctest/doctest.h>

#include <string>

#include "converter/tokenizer/segments.h"
#include "tests/tokens/plain_tokenizer.h"

namespace cllm {
namespace {

std::string DecodeOne(const TokenizerView& view, uint32_t previous, uint32_t token) {
  const char* text = nullptr;
  uint32_t bytes = 0;
  REQUIRE(Decode(view, previous, token, &text, &bytes) == CLLM_OK);
  return {text, bytes};
}

TEST_CASE("decoding follows llama2.c: raw bytes, a stripped first space, silent special tokens") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.prefix_space = true;
  tables.unknown_token = 0;
  tables.begin_token = 1;
  tables.end_token = 2;
  tables.byte_token_base = 3;
  tables.pieces = {"<unk>", "\n<s>\n", "\n</s>\n"};
  for (int byte = 0; byte < 256; ++byte) tables.pieces.push_back("<byte>");
  tables.pieces.insert(tables.pieces.end(), {" the", "  x", "y", ""});
  tables.scores.assign(tables.pieces.size(), 0);
  const TokenizerSegments segments = PackTokenizer(tables).value();
  TokenizerView view = ViewOfSegments(tables, segments);

  for (const uint32_t special : {0u, 1u, 2u}) CHECK(DecodeOne(view, 259, special).empty());
  for (int byte = 0; byte < 256; ++byte) {
    CHECK(DecodeOne(view, 259, 3 + byte) == std::string(1, static_cast<char>(byte)));
  }
  CHECK(DecodeOne(view, 1, 3 + ' ') == " ");
  CHECK(DecodeOne(view, 1, 259) == "the");
  CHECK(DecodeOne(view, CLLM_NO_TOKEN, 259) == "the");
  CHECK(DecodeOne(view, 261, 259) == " the");
  CHECK(DecodeOne(view, 2, 259) == " the");
  CHECK(DecodeOne(view, 1, 260) == " x");
  CHECK(DecodeOne(view, 1, 261) == "y");
  CHECK(DecodeOne(view, 1, 262).empty());
  view.prefix_space = false;
  CHECK(DecodeOne(view, 1, 259) == " the");
}

TEST_CASE("ids out of range are refused") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kCharacters;
  tables.pieces = {"a", "b"};
  const TokenizerSegments segments = PackTokenizer(tables).value();
  const TokenizerView view = ViewOfSegments(tables, segments);
  const char* text = nullptr;
  uint32_t bytes = 1;
  CHECK(Decode(view, 0, 2, &text, &bytes) == CLLM_TOKEN_RANGE);
  CHECK(bytes == 0);
  CHECK(Decode(view, 2, 1, &text, &bytes) == CLLM_TOKEN_RANGE);
  CHECK(Decode(view, 0, CLLM_NO_TOKEN, &text, &bytes) == CLLM_TOKEN_RANGE);
  CHECK(Decode(TokenizerView{}, CLLM_NO_TOKEN, 0, &text, &bytes) == CLLM_UNSUPPORTED_TOKENIZER);
  CHECK(DecodeOne(view, CLLM_NO_TOKEN, 1) == "b");
}

}  // namespace
}  // namespace cllm
