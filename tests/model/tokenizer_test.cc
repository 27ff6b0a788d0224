#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "doctest/doctest.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::FileEditor;
using testing::OpenStatus;
using testing::SmallFile;
using testing::SmallTokenizer;

using Edit = std::function<void(FileEditor&)>;

Status StatusWith(TokenizerKind kind, const Edit& edit) {
  FileEditor editor(SmallFile(Dtype::kF32, kind));
  edit(editor);
  return OpenStatus(editor.Build());
}

template <class T>
void Set(std::string* content, size_t index, T value) {
  std::memcpy(content->data() + index * sizeof(T), &value, sizeof(T));
}

constexpr TokenizerKind kKinds[] = {TokenizerKind::kByteBpe, TokenizerKind::kScoredMerges,
                                    TokenizerKind::kCharacters, TokenizerKind::kWordPiece,
                                    TokenizerKind::kWords};

TEST_CASE("the view has the pieces, scores and merges that were written") {
  for (const TokenizerKind kind : kKinds) {
    AlignedBytes file(SmallFile(Dtype::kF32, kind));
    Model model;
    REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
    const TokenizerTables tables = SmallTokenizer(kind);
    const TokenizerView& view = model.tokenizer;
    CHECK(view.kind == kind);
    CHECK(view.count == 270);
    CHECK(view.begin_token == 0);
    CHECK(view.end_token == 1);
    CHECK(view.unknown_token == CLLM_NO_TOKEN);
    for (uint32_t i = 0; i < view.count; ++i) {
      CHECK(std::string(view.bytes + view.offsets[i], view.bytes + view.offsets[i + 1]) == tables.pieces[i]);
      if (view.scores != nullptr) CHECK(view.scores[i] == tables.scores[i]);
    }
    CHECK((view.scores != nullptr) == (kind == TokenizerKind::kScoredMerges));
    CHECK(view.merge_count == tables.merges.size());
    for (uint32_t i = 0; i < view.merge_count; ++i) CHECK(view.merges[3 * i + 2] == tables.merges[i].result);
  }
}

TEST_CASE("a file without a tokenizer") {
  AlignedBytes file(SmallFile(Dtype::kF32, TokenizerKind::kNone));
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  CHECK(model.tokenizer.kind == TokenizerKind::kNone);
  CHECK(model.tokenizer.begin_token == CLLM_NO_TOKEN);
  // Tables without a kind are a contradiction.
  CHECK(StatusWith(TokenizerKind::kByteBpe, [](FileEditor& e) {
          e.tokenizer().kind = schema::TokenizerKind::none;
        }) == CLLM_FILE_TOKENIZER);
}

TEST_CASE("kinds and pretokenizers that do not run yet") {
  for (const auto kind : {static_cast<schema::TokenizerKind>(7), static_cast<schema::TokenizerKind>(50)}) {
    CHECK(StatusWith(TokenizerKind::kByteBpe, [kind](FileEditor& e) { e.tokenizer().kind = kind; }) ==
          CLLM_UNSUPPORTED_TOKENIZER);
  }
  for (const auto pretokenizer :
       {static_cast<schema::Pretokenizer>(8), static_cast<schema::Pretokenizer>(50)}) {
    CHECK(StatusWith(TokenizerKind::kByteBpe, [pretokenizer](FileEditor& e) {
            e.tokenizer().pretokenizer = pretokenizer;
          }) == CLLM_UNSUPPORTED_TOKENIZER);
  }
}

TEST_CASE("inconsistent tables of every kind") {
  const uint32_t kCount = 270;
  const std::vector<Edit> edits = {
      [](FileEditor& e) { e.tokenizer().begin_token = kCount; },
      [](FileEditor& e) { e.tokenizer().end_token = 0xFFFFFFFEu; },
      [](FileEditor& e) { e.tokenizer().unknown_token = kCount; },
      [](FileEditor& e) { e.tokenizer().byte_token_base = kCount - 255; },
      [](FileEditor& e) { e.tokenizer().byte_token_base = 0xFFFFFFFEu; },
      [](FileEditor& e) { e.tokenizer().pieces.reset(); },
      [](FileEditor& e) { e.tokenizer().index.reset(); },
      [](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().pieces), 0, 1); },
      [](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().pieces), 5, 100000); },
      [](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().pieces), 100, 0); },
      [](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().pieces), kCount, 0xFFFFFFFFu); },
      [](FileEditor& e) { e.SetContent(e.tokenizer().pieces, e.Content(e.tokenizer().pieces) + "x"); },
      [](FileEditor& e) { e.SetContent(e.tokenizer().pieces, std::string(4 * kCount, '\0')); },
      [](FileEditor& e) { e.SetContent(e.tokenizer().index, std::string(4 * 768, '\xFF')); },
      [](FileEditor& e) { e.SetContent(e.tokenizer().index, std::string(4 * 512 + 2, '\xFF')); },
      [](FileEditor& e) { e.SetContent(e.tokenizer().index, std::string(4 * 512, '\0')); },  // no empty slot
      [](FileEditor& e) { e.SetContent(e.tokenizer().index, ""); },
      [](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().index), 0, kCount); },
      [](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().index), 0, 0xFFFFFFFEu); },
  };
  for (const TokenizerKind kind : kKinds) {
    for (size_t i = 0; i < edits.size(); ++i) {
      CAPTURE(static_cast<int>(kind));
      CAPTURE(i);
      CHECK(StatusWith(kind, edits[i]) == CLLM_FILE_TOKENIZER);
    }
  }
}

TEST_CASE("tables that a kind must have, or must not") {
  using Kind = TokenizerKind;
  CHECK(StatusWith(Kind::kScoredMerges, [](FileEditor& e) { e.tokenizer().scores.reset(); }) ==
        CLLM_FILE_TOKENIZER);
  for (const float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                          std::numeric_limits<float>::quiet_NaN()}) {
    CHECK(StatusWith(Kind::kScoredMerges, [bad](FileEditor& e) {
            Set(&e.Content(e.tokenizer().scores), 7, bad);
          }) == CLLM_FILE_TOKENIZER);
  }
  CHECK(StatusWith(Kind::kScoredMerges, [](FileEditor& e) {
          e.SetContent(e.tokenizer().scores, std::string(4 * 269, '\0'));
        }) == CLLM_FILE_TOKENIZER);
  for (const Kind kind : {Kind::kByteBpe, Kind::kCharacters, Kind::kWordPiece, Kind::kWords}) {
    CHECK(StatusWith(kind, [](FileEditor& e) {
            e.SetContent(e.tokenizer().scores, std::string(4 * 270, '\0'));
          }) == CLLM_FILE_TOKENIZER);
  }
  for (const Kind kind : {Kind::kCharacters, Kind::kWordPiece, Kind::kWords}) {
    CHECK(StatusWith(kind, [](FileEditor& e) {
            e.SetContent(e.tokenizer().merges, std::string(12, '\0'));
          }) == CLLM_FILE_TOKENIZER);
  }
  for (const size_t column : {0, 1, 2}) {
    CHECK(StatusWith(Kind::kByteBpe, [column](FileEditor& e) {
            Set<uint32_t>(&e.Content(e.tokenizer().merges), 6 + column, 270);
          }) == CLLM_FILE_TOKENIZER);
  }
  CHECK(StatusWith(Kind::kByteBpe, [](FileEditor& e) {
          e.SetContent(e.tokenizer().merges, std::string(13, '\0'));
        }) == CLLM_FILE_TOKENIZER);
  // Several merges may make one token, so that there may be more than tokens.
  CHECK(StatusWith(Kind::kByteBpe, [](FileEditor& e) {
          e.SetContent(e.tokenizer().merges, std::string(12 * 400, '\0'));
        }) == CLLM_OK);
  CHECK(StatusWith(Kind::kByteBpe, [](FileEditor& e) { e.tokenizer().byte_token_base = CLLM_NO_TOKEN; }) ==
        CLLM_FILE_TOKENIZER);
  // The slots of a byte-level BPE name merges, not tokens.
  CHECK(StatusWith(Kind::kByteBpe, [](FileEditor& e) {
          Set<uint32_t>(&e.Content(e.tokenizer().index), 0, 6);
        }) == CLLM_FILE_TOKENIZER);
}

TEST_CASE("tables of a unigram tokenizer") {
  const auto status = [](const Edit& edit) { return StatusWith(TokenizerKind::kUnigram, edit); };
  AlignedBytes file(SmallFile(Dtype::kF32, TokenizerKind::kUnigram));
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  CHECK(model.tokenizer.log_probabilities[270] == -270.0);
  CHECK(model.tokenizer.trie_nodes > 257);
  const auto bad_number = [&](size_t index, double number) {
    return status([=](FileEditor& e) { Set(&e.Content(e.tokenizer().scores), index, number); });
  };
  CHECK(bad_number(7, std::numeric_limits<double>::infinity()) == CLLM_FILE_TOKENIZER);
  CHECK(bad_number(270, std::numeric_limits<double>::quiet_NaN()) == CLLM_FILE_TOKENIZER);
  CHECK(bad_number(7, 3.5) == CLLM_OK);
  for (const size_t size : {0, 8 * 270, 8 * 272, 4 * 271}) {
    CHECK(status([=](FileEditor& e) { e.SetContent(e.tokenizer().scores, std::string(size, '\0')); }) ==
          CLLM_FILE_TOKENIZER);
  }
  for (const size_t size : {0, 8, 13, 24 + 4}) {
    CHECK(status([=](FileEditor& e) { e.SetContent(e.tokenizer().index, std::string(size, '\0')); }) ==
          CLLM_FILE_TOKENIZER);
  }
  CHECK(status([](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().index), 2, 270); }) ==
        CLLM_FILE_TOKENIZER);
  // Where no child is, encoding finds out.
  CHECK(status([](FileEditor& e) { Set<uint32_t>(&e.Content(e.tokenizer().index), 0, 0xFFFFFF00u); }) ==
        CLLM_OK);
  CHECK(status([](FileEditor& e) { e.tokenizer().scores.reset(); }) == CLLM_FILE_TOKENIZER);
  CHECK(status([](FileEditor& e) { e.tokenizer().index.reset(); }) == CLLM_FILE_TOKENIZER);
  CHECK(status([](FileEditor& e) { e.SetContent(e.tokenizer().merges, std::string(12, '\0')); }) ==
        CLLM_FILE_TOKENIZER);
  CHECK(status([](FileEditor& e) { e.SetContent(e.tokenizer().words, std::string(8, '\xFF')); }) ==
        CLLM_FILE_TOKENIZER);
}

TEST_CASE("the form that texts must be in, and how they get there") {
  FileEditor editor(SmallFile());
  editor.tokenizer().normalizer = "[]";
  editor.tokenizer().text_form = schema::TextForm::steps;
  AlignedBytes file(editor.Build());
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  CHECK(std::string(model.tokenizer.normalizer, model.tokenizer.normalizer_bytes) == "[]");
  CHECK(model.tokenizer.text_form == TextForm::kSteps);
  editor.tokenizer().text_form = static_cast<schema::TextForm>(3);
  CHECK(OpenStatus(editor.Build()) == CLLM_UNSUPPORTED_TOKENIZER);
}

std::string Words(const std::vector<uint32_t>& words) {
  return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint32_t)};
}

TEST_CASE("byte tokens one by one") {
  std::vector<uint32_t> tokens(256, 269);
  tokens[7] = CLLM_NO_TOKEN;
  const auto status = [](const std::string& content, uint32_t base) {
    return StatusWith(TokenizerKind::kByteBpe, [&](FileEditor& e) {
      e.tokenizer().byte_token_base = base;
      e.SetContent(e.tokenizer().byte_tokens, content);
    });
  };
  CHECK(status(Words(tokens), CLLM_NO_TOKEN) == CLLM_OK);
  CHECK(status(Words(tokens), 2) == CLLM_FILE_TOKENIZER);  // in a row as well
  CHECK(status(Words(tokens).substr(4), CLLM_NO_TOKEN) == CLLM_FILE_TOKENIZER);
  CHECK(status("", CLLM_NO_TOKEN) == CLLM_FILE_TOKENIZER);
  tokens[255] = 270;
  CHECK(status(Words(tokens), CLLM_NO_TOKEN) == CLLM_FILE_TOKENIZER);
}

TEST_CASE("words that do not merge") {
  const auto status = [](TokenizerKind kind, const std::vector<uint32_t>& slots) {
    return StatusWith(kind, [&](FileEditor& e) { e.SetContent(e.tokenizer().words, Words(slots)); });
  };
  CHECK(status(TokenizerKind::kByteBpe, {269, CLLM_NO_TOKEN}) == CLLM_OK);
  CHECK(status(TokenizerKind::kByteBpe, {270, CLLM_NO_TOKEN}) == CLLM_FILE_TOKENIZER);
  CHECK(status(TokenizerKind::kByteBpe, {269, 268}) == CLLM_FILE_TOKENIZER);  // no empty slot
  CHECK(status(TokenizerKind::kByteBpe, {1, 2, CLLM_NO_TOKEN}) == CLLM_FILE_TOKENIZER);
  CHECK(status(TokenizerKind::kScoredMerges, {269, CLLM_NO_TOKEN}) == CLLM_FILE_TOKENIZER);
}

TEST_CASE("added tokens") {
  const auto status = [](std::vector<uint32_t> rows, size_t cut = 0) {
    rows.insert(rows.begin(), 16, 0xFFFFFFFFu);
    return StatusWith(TokenizerKind::kByteBpe, [&](FileEditor& e) {
      e.SetContent(e.tokenizer().added, Words(rows).substr(0, rows.size() * 4 - cut));
    });
  };
  CHECK(status({}) == CLLM_OK);
  CHECK(status({5, AddedToken::kControl, 269, AddedToken::kFlags}) == CLLM_OK);
  CHECK(status({5, 0, 270, 0}) == CLLM_FILE_TOKENIZER);
  CHECK(status({5, AddedToken::kFlags + 1}) == CLLM_FILE_TOKENIZER);
  CHECK(status({5, 0}, 4) == CLLM_FILE_TOKENIZER);
  CHECK(status({}, 4) == CLLM_FILE_TOKENIZER);
  FileEditor editor(SmallFile(Dtype::kF32, TokenizerKind::kByteBpe));
  std::string pieces = editor.Content(editor.tokenizer().pieces);
  uint32_t end = 0;
  std::memcpy(&end, pieces.data() + 4 * 5, 4);
  Set(&pieces, 6, end);  // an empty piece would be found everywhere
  editor.SetContent(editor.tokenizer().pieces, pieces);
  std::vector<uint32_t> rows(16, 0);
  rows.insert(rows.end(), {5, 0});
  editor.SetContent(editor.tokenizer().added, Words(rows));
  CHECK(OpenStatus(editor.Build()) == CLLM_FILE_TOKENIZER);
}

TEST_CASE("a tokenizer's segment in the wrong place") {
  FileEditor editor(SmallFile());
  const auto status = [&editor](uint64_t offset) {
    return OpenStatus(editor.Build([offset](schema::ModelT& h) { h.tokenizer->scores->offset = offset; }));
  };
  const uint64_t pieces = (editor.Build(), editor.tokenizer().pieces->offset);
  CHECK(status(pieces) == CLLM_FILE_SEGMENT_OVERLAP);
  CHECK(status(pieces + 4) == CLLM_FILE_SEGMENT_ALIGNMENT);
  CHECK(status(uint64_t{1} << 40) == CLLM_FILE_SEGMENT_RANGE);
  CHECK(status(0) == CLLM_FILE_SEGMENT_RANGE);
}

}  // namespace
}  // namespace cllm
