// What cllm_tokens_* refuse before they reach the tokens room.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "cllm/cllm.h"
#include "converter/tokenizer/train.h"
#include "tests/tokens/tokenizer_model.h"

namespace cllm {
namespace {

TEST_CASE("special tokens in a text, and what ends one") {
  TokenizerTables tables = TrainByteBpe({"banana banana"}, 260).value();
  const auto special = static_cast<uint32_t>(tables.pieces.size());
  tables.pieces.emplace_back("<x>");
  tables.added[special] = AddedToken::kControl | AddedToken::kEnds;
  const TokenizerModel model(tables);
  alignas(CLLM_ALIGNMENT) char scratch[4096];
  uint32_t tokens[16];
  uint64_t count = 0;
  CHECK(cllm_tokens_encode_special(model.handle(), "b<x>", 4, scratch, sizeof(scratch), tokens, 16, &count) ==
        CLLM_OK);
  CHECK(count == 2);
  CHECK(tokens[1] == special);
  CHECK(cllm_tokens_encode(model.handle(), "b<x>", 4, scratch, sizeof(scratch), tokens, 16, &count) ==
        CLLM_OK);
  CHECK(count == 4);
  CHECK(cllm_tokens_encode_special(nullptr, "b", 1, scratch, sizeof(scratch), tokens, 16, &count) ==
        CLLM_NULL_ARGUMENT);
  const char* text = nullptr;
  uint32_t bytes = 1;
  CHECK(cllm_tokens_decode(model.handle(), CLLM_NO_TOKEN, special, &text, &bytes) == CLLM_OK);
  CHECK(bytes == 0);
  CHECK(cllm_tokens_ends_text(model.handle(), special) == 1);
  CHECK(cllm_tokens_ends_text(model.handle(), tables.end_token) == 1);
  CHECK(cllm_tokens_ends_text(model.handle(), 5) == 0);
  CHECK(cllm_tokens_ends_text(model.handle(), CLLM_NO_TOKEN) == 0);
  CHECK(cllm_tokens_ends_text(nullptr, 5) == 0);
}

TEST_CASE("the form that texts must be in") {
  TokenizerTables tables = TrainByteBpe({"banana banana"}, 260).value();
  cllm_text_form form = CLLM_TEXT_STEPS;
  CHECK(cllm_tokens_form(TokenizerModel(tables).handle(), &form) == CLLM_OK);
  CHECK(form == CLLM_TEXT_ANY);
  tables.text_form = TextForm::kNfc;
  CHECK(cllm_tokens_form(TokenizerModel(tables).handle(), &form) == CLLM_OK);
  CHECK(form == CLLM_TEXT_NFC);
  CHECK(cllm_tokens_form(TokenizerModel(TokenizerTables()).handle(), &form) == CLLM_UNSUPPORTED_TOKENIZER);
  CHECK(cllm_tokens_form(nullptr, &form) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_form(TokenizerModel(tables).handle(), nullptr) == CLLM_NULL_ARGUMENT);
}

TEST_CASE("encoding through the C API: null, alignment, scratch, capacity") {
  const TokenizerModel model(TrainByteBpe({"banana banana"}, 260).value());
  const std::string text = "banana";
  uint64_t bytes = 0;
  REQUIRE(cllm_tokens_encode_measure(model.handle(), text.size(), &bytes) == CLLM_OK);
  alignas(CLLM_ALIGNMENT) char scratch[4096];
  REQUIRE(bytes < sizeof(scratch));
  uint32_t tokens[8];
  uint64_t count = 0;
  const auto encode = [&](void* room, uint64_t room_bytes, uint64_t capacity) {
    return cllm_tokens_encode(model.handle(), text.data(), text.size(), room, room_bytes, tokens, capacity,
                              &count);
  };
  CHECK(encode(scratch, bytes, 7) == CLLM_OK);
  CHECK(count == 3);  // a+n, then of equals the lowest ids, b+an: ban, an, a
  CHECK(encode(scratch, bytes - 1, 7) == CLLM_ROOM_TOO_SMALL);
  CHECK(encode(scratch + 8, bytes, 7) == CLLM_MISALIGNED);
  CHECK(encode(nullptr, bytes, 7) == CLLM_NULL_ARGUMENT);
  CHECK(encode(scratch, bytes, 1) == CLLM_BUFFER_TOO_SMALL);
  CHECK(count == 3);
  CHECK(cllm_tokens_encode(nullptr, "a", 1, scratch, bytes, tokens, 8, &count) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_encode(model.handle(), nullptr, 1, scratch, bytes, tokens, 8, &count) ==
        CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_encode(model.handle(), "a", 1, scratch, bytes, nullptr, 8, &count) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_encode(model.handle(), "a", 1, scratch, bytes, tokens, 8, nullptr) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_encode_measure(model.handle(), 1, nullptr) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_encode_measure(nullptr, 1, &bytes) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_encode_measure(model.handle(), uint64_t{1} << 40, &bytes) == CLLM_TEXT_NOT_ENCODABLE);
  CHECK(cllm_tokens_encode(model.handle(), nullptr, 0, scratch, sizeof(scratch), nullptr, 0, &count) ==
        CLLM_OK);
  CHECK(count == 0);
}

TEST_CASE("decoding through the C API") {
  const TokenizerModel model(TrainByteBpe({"banana banana"}, 260).value());
  const char* text = nullptr;
  uint32_t bytes = 0;
  CHECK(cllm_tokens_decode(model.handle(), 0, 258, &text, &bytes) == CLLM_OK);
  CHECK(std::string(text, bytes) == "an");
  CHECK(cllm_tokens_decode(model.handle(), 0, 260, &text, &bytes) == CLLM_TOKEN_RANGE);
  CHECK(cllm_tokens_decode(nullptr, 0, 1, &text, &bytes) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_decode(model.handle(), 0, 1, nullptr, &bytes) == CLLM_NULL_ARGUMENT);
  CHECK(cllm_tokens_decode(model.handle(), 0, 1, &text, nullptr) == CLLM_NULL_ARGUMENT);
}

TEST_CASE("a model without a tokenizer says so") {
  const TokenizerModel model{TokenizerTables()};
  uint64_t bytes = 0, count = 0;
  const char* text = nullptr;
  uint32_t token = 0, size = 0;
  CHECK(cllm_tokens_encode_measure(model.handle(), 1, &bytes) == CLLM_UNSUPPORTED_TOKENIZER);
  CHECK(cllm_tokens_encode(model.handle(), "a", 1, nullptr, 0, &token, 1, &count) ==
        CLLM_UNSUPPORTED_TOKENIZER);
  CHECK(cllm_tokens_decode(model.handle(), CLLM_NO_TOKEN, 0, &text, &size) == CLLM_UNSUPPORTED_TOKENIZER);
}

}  // namespace
}  // namespace cllm
