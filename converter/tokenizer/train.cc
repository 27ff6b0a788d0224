#include "converter/tokenizer/train.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "converter/tokenizer/pair_counts.h"
#include "tokens/index.h"
#include "tokens/split.h"

namespace cllm {
namespace {

TokenizerTables TablesWithSpecialTokens(TokenizerKind kind) {
  TokenizerTables tables;
  tables.kind = kind;
  tables.begin_token = kTrainedBeginToken;
  tables.end_token = kTrainedEndToken;
  tables.pieces = {"<|begin|>", "<|end|>"};
  if (kind == TokenizerKind::kCharacters) return tables;
  tables.pretokenizer = Pretokenizer::kWords;
  if (kind == TokenizerKind::kByteBpe) return tables;
  tables.unknown_token = kTrainedUnknownToken;
  tables.pieces.push_back("<|unknown|>");
  return tables;
}

absl::Status TooSmall(uint32_t vocabulary_size, size_t possible, const char* why) {
  return absl::InvalidArgumentError(absl::StrCat("The text is too small for a vocabulary of ",
                                                 vocabulary_size, " tokens: after ", possible, " ", why,
                                                 ". Ask for ", possible, " or fewer, or give more text."));
}

// Merges until the vocabulary is full. BPE keeps the merges, which may spell one piece twice; word pieces are
// nothing but their spelling.
absl::Status MergePairs(uint32_t vocabulary_size, PairCounts* pairs, TokenizerTables* tables) {
  const bool by_rank = tables->kind == TokenizerKind::kByteBpe;
  std::unordered_map<std::string, uint32_t> ids;
  pairs->Start();
  while (tables->pieces.size() < vocabulary_size) {
    const auto [left, right, count] = pairs->Best();
    if (count < 2) {
      return TooSmall(vocabulary_size, tables->pieces.size(), "no two adjacent tokens occur twice");
    }
    uint32_t result = static_cast<uint32_t>(tables->pieces.size());
    std::string piece = tables->pieces[left] + tables->pieces[right];
    if (by_rank) {
      tables->merges.push_back({left, right, result});
      tables->pieces.push_back(std::move(piece));
    } else if (const auto [known, is_new] = ids.try_emplace(piece, result); is_new) {
      tables->pieces.push_back(std::move(piece));
    } else {
      result = known->second;
    }
    pairs->Merge(left, right, result);
  }
  return absl::OkStatus();
}

// Calls visit(character) for each of the word, and end() at its end and wherever a piece could get too long.
template <class Visit, class End>
void ForEachCharacter(std::string_view word, const Visit& visit, const End& end) {
  uint32_t length = 0;
  while (!word.empty()) {
    const uint32_t bytes = CharacterBytes(word.data(), word.size());
    if (length + bytes > kLongestWordPiece) {
      end();
      length = 0;
    }
    visit(word.substr(0, bytes));
    word.remove_prefix(bytes);
    length += bytes;
  }
  end();
}

}  // namespace

void VocabularyTrainer::Add(std::string_view text) {
  if (kind_ != TokenizerKind::kCharacters) return counts_.Add(text);
  while (!text.empty()) {
    const std::string_view character = text.substr(0, CharacterBytes(text.data(), text.size()));
    if (!characters_.contains(character)) characters_.emplace(character);
    text.remove_prefix(character.size());
  }
}

absl::StatusOr<TokenizerTables> VocabularyTrainer::Train() const {
  if (counts_.words().empty() && characters_.empty()) {
    return absl::InvalidArgumentError("There is no text to train a vocabulary on.");
  }
  switch (kind_) {
    case TokenizerKind::kByteBpe: return TrainByteBpe();
    case TokenizerKind::kWordPiece: return TrainWordPiece();
    case TokenizerKind::kWords: return TrainWords();
    case TokenizerKind::kCharacters: break;
    default: return absl::InvalidArgumentError("Vocabularies of this kind are not trained here.");
  }
  TokenizerTables tables = TablesWithSpecialTokens(kind_);
  tables.pieces.insert(tables.pieces.end(), characters_.begin(), characters_.end());
  return tables;
}

absl::StatusOr<TokenizerTables> VocabularyTrainer::TrainByteBpe() const {
  if (vocabulary_size_ < kSmallestBpeVocabulary) {
    return absl::InvalidArgumentError(
        absl::StrCat("A byte-level BPE vocabulary has at least ", kSmallestBpeVocabulary,
                     " tokens (2 special ones and 256 bytes); ", vocabulary_size_, " were asked for."));
  }
  TokenizerTables tables = TablesWithSpecialTokens(kind_);
  tables.byte_token_base = kTrainedByteBase;
  for (int byte = 0; byte < 256; ++byte) tables.pieces.emplace_back(1, static_cast<char>(byte));
  PairCounts pairs;
  std::vector<uint32_t> tokens;
  for (const auto& [word, count] : counts_.words()) {
    tokens.clear();
    for (const char c : word) tokens.push_back(kTrainedByteBase + static_cast<uint8_t>(c));
    pairs.AddWord(tokens, count);
  }
  if (absl::Status status = MergePairs(vocabulary_size_, &pairs, &tables); !status.ok()) return status;
  return tables;
}

absl::StatusOr<TokenizerTables> VocabularyTrainer::TrainWordPiece() const {
  TokenizerTables tables = TablesWithSpecialTokens(kind_);
  std::map<std::string_view, uint32_t> ids;
  for (const auto& [word, count] : counts_.words()) {
    ForEachCharacter(
        word, [&](std::string_view character) { ids.emplace(character, 0); }, [] {});
  }
  for (auto& [character, id] : ids) {
    id = static_cast<uint32_t>(tables.pieces.size());
    tables.pieces.emplace_back(character);
  }
  if (tables.pieces.size() > vocabulary_size_) {
    return absl::InvalidArgumentError(
        absl::StrCat("A vocabulary of ", vocabulary_size_, " word pieces is too small for the ", ids.size(),
                     " different characters of the text; ask for ", tables.pieces.size(), " or more."));
  }
  PairCounts pairs;
  std::vector<uint32_t> tokens;
  for (const auto& word : counts_.words()) {
    ForEachCharacter(
        word.first, [&](std::string_view character) { tokens.push_back(ids.at(character)); },
        [&] {
          pairs.AddWord(tokens, word.second);
          tokens.clear();
        });
  }
  if (absl::Status status = MergePairs(vocabulary_size_, &pairs, &tables); !status.ok()) return status;
  return tables;
}

absl::StatusOr<TokenizerTables> VocabularyTrainer::TrainWords() const {
  TokenizerTables tables = TablesWithSpecialTokens(kind_);
  const size_t special = tables.pieces.size();
  if (vocabulary_size_ <= special) {
    return absl::InvalidArgumentError(absl::StrCat("A vocabulary of words has at least ", special + 1,
                                                   " tokens, ", special, " of them special; ",
                                                   vocabulary_size_, " were asked for."));
  }
  std::vector<std::pair<uint64_t, std::string_view>> words;
  for (const auto& [word, count] : counts_.words()) words.emplace_back(count, word);
  if (words.size() + special < vocabulary_size_) {
    return TooSmall(vocabulary_size_, words.size() + special, "it has no more different words");
  }
  const auto more = [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  };
  const auto last = words.begin() + static_cast<ptrdiff_t>(vocabulary_size_ - special);
  std::partial_sort(words.begin(), last, words.end(), more);
  for (auto i = words.begin(); i != last; ++i) tables.pieces.emplace_back(i->second);
  return tables;
}

absl::StatusOr<TokenizerTables> TrainVocabulary(TokenizerKind kind, uint32_t vocabulary_size,
                                                absl::Span<const std::string_view> texts) {
  VocabularyTrainer trainer(kind, vocabulary_size);
  for (const std::string_view text : texts) trainer.Add(text);
  return trainer.Train();
}

absl::StatusOr<TokenizerTables> TrainByteBpe(absl::Span<const std::string_view> texts,
                                             uint32_t vocabulary_size) {
  return TrainVocabulary(TokenizerKind::kByteBpe, vocabulary_size, texts);
}

absl::StatusOr<TokenizerTables> TrainCharacters(absl::Span<const std::string_view> texts) {
  return TrainVocabulary(TokenizerKind::kCharacters, 0, texts);
}

}  // namespace cllm
