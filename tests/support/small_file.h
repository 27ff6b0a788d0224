// Small model files with a tokenizer, for tests of the file format.
#ifndef CLLM_TESTS_SUPPORT_SMALL_FILE_H_
#define CLLM_TESTS_SUPPORT_SMALL_FILE_H_

#include <stdexcept>
#include <string>

#include "absl/strings/str_format.h"
#include "converter/export/write_model.h"
#include "support/random_model.h"

namespace cllm::testing {

inline Architecture SmallArchitecture() {
  Architecture a;
  a.vocabulary_size = 270;
  a.context = 24;
  a.width = 10;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 6;
  a.hidden = 19;
  a.tied_head = false;
  return a;
}

// A tokenizer of this kind with 270 tokens: 2 special ones, 256 bytes, and a few pieces made of them.
inline TokenizerTables SmallTokenizer(TokenizerKind kind) {
  TokenizerTables t;
  t.kind = kind;
  if (kind == TokenizerKind::kNone) return t;
  t.begin_token = 0;
  t.end_token = 1;
  t.pieces = {"<s>", "</s>"};
  t.byte_token_base = 2;
  for (int byte = 0; byte < 256; ++byte) {
    t.pieces.push_back(kind == TokenizerKind::kScoredMerges ? absl::StrFormat("<0x%02X>", byte)
                                                            : std::string(1, static_cast<char>(byte)));
  }
  for (char c = 'a'; c < 'a' + 6; ++c) t.pieces.push_back(std::string(1, c));
  for (char c = 'a'; c < 'a' + 6; ++c) t.pieces.push_back(std::string(1, c) + "b");
  if (kind == TokenizerKind::kScoredMerges) {
    for (size_t i = 0; i < t.pieces.size(); ++i) t.scores.push_back(-static_cast<float>(i));
  }
  if (kind == TokenizerKind::kUnigram) {
    for (size_t i = 0; i <= t.pieces.size(); ++i) t.log_probabilities.push_back(-static_cast<double>(i));
  }
  if (kind == TokenizerKind::kByteBpe) {
    for (uint32_t i = 0; i < 6; ++i) t.merges.push_back({2 + 'a' + i, 2 + 'b', 264 + i});
  }
  if (kind == TokenizerKind::kWordPiece || kind == TokenizerKind::kWords) {
    t.pretokenizer = Pretokenizer::kWords;
    t.byte_token_base = CLLM_NO_TOKEN;
  }
  if (kind == TokenizerKind::kCharacters) t.byte_token_base = CLLM_NO_TOKEN;
  return t;
}

// Byte-level BPE with every table of imported vocabularies: byte tokens that stand apart, words that do not
// merge, added tokens of each flag, a chat template.
inline TokenizerTables ImportedTokenizer() {
  TokenizerTables t = SmallTokenizer(TokenizerKind::kByteBpe);
  t.pretokenizer = Pretokenizer::kGpt2;
  for (uint32_t byte = 0; byte < 256; ++byte) t.byte_tokens.push_back(t.byte_token_base + byte);
  t.byte_token_base = CLLM_NO_TOKEN;
  t.words = {264};
  t.added = {{0, AddedToken::kControl},
             {1, AddedToken::kControl | AddedToken::kEnds},
             {268, AddedToken::kStripLeft | AddedToken::kStripRight},
             {269, AddedToken::kLate}};
  t.chat_template = "{{ messages }}";
  return t;
}

inline Checkpoint SmallCheckpoint(TokenizerKind kind = TokenizerKind::kScoredMerges) {
  Checkpoint checkpoint = RandomCheckpoint(SmallArchitecture(), 1);
  checkpoint.tokenizer = SmallTokenizer(kind);
  checkpoint.provenance = {"a test", "none", "{}"};
  return checkpoint;
}

inline std::string FileOf(const Checkpoint& checkpoint, Dtype format) {
  auto bytes = WriteModelToString(checkpoint, format);
  if (!bytes.ok()) throw std::runtime_error(std::string(bytes.status().message()));
  return *std::move(bytes);
}

inline std::string SmallFile(Dtype format = Dtype::kF32, TokenizerKind kind = TokenizerKind::kScoredMerges) {
  return FileOf(SmallCheckpoint(kind), format);
}

// With ImportedTokenizer.
inline std::string ImportedFile(Dtype format) {
  Checkpoint checkpoint = SmallCheckpoint();
  checkpoint.tokenizer = ImportedTokenizer();
  return FileOf(checkpoint, format);
}

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_SMALL_FILE_H_
