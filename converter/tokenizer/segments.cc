#include "converter/tokenizer/segments.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "converter/tokenizer/trie.h"
#include "tokens/index.h"
#include "tokens/split.h"
#include "tokens/unigram.h"

namespace cllm {
namespace {

static_assert(std::endian::native == std::endian::little, "segments are written as they lie in memory");

template <class T>
std::vector<uint8_t> BytesOf(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

absl::Status CheckSpecialToken(const char* name, uint32_t token, size_t vocabulary_size) {
  if (token == CLLM_NO_TOKEN || token < vocabulary_size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("The tokenizer's ", name, " token ", token,
                                                 " is not in its vocabulary of ", vocabulary_size,
                                                 " pieces."));
}

absl::Status CheckScores(const TokenizerTables& tables) {
  const size_t expected = tables.kind == TokenizerKind::kScoredMerges ? tables.pieces.size() : 0;
  if (tables.scores.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat("The tokenizer has ", tables.scores.size(), " scores for ",
                                                   tables.pieces.size(), " pieces; ", expected,
                                                   " were expected."));
  }
  for (size_t id = 0; id < expected; ++id) {
    if (!std::isfinite(tables.scores[id])) {
      return absl::InvalidArgumentError(
          absl::StrCat("The score of piece ", id, " of the tokenizer is not a finite number."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckLogProbabilities(const TokenizerTables& tables) {
  const size_t expected = tables.kind == TokenizerKind::kUnigram ? tables.pieces.size() + 1 : 0;
  if (tables.log_probabilities.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat("The tokenizer has ", tables.log_probabilities.size(),
                                                   " log-probabilities for ", tables.pieces.size(),
                                                   " pieces; ", expected, " were expected."));
  }
  for (size_t id = 0; id + 1 < expected; ++id) {
    if (tables.log_probabilities[id] > kNeverFound && tables.pieces[id].size() > kLongestUnigramPiece) {
      return absl::InvalidArgumentError(
          absl::StrCat("Piece ", id, " of the tokenizer has more than ", kLongestUnigramPiece, " bytes."));
    }
  }
  for (size_t id = 0; id < expected; ++id) {
    if (!std::isfinite(tables.log_probabilities[id])) {
      return absl::InvalidArgumentError(
          absl::StrCat("The log-probability of piece ", id, " of the tokenizer is not a finite number."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMerges(const TokenizerTables& tables) {
  const size_t count = tables.pieces.size();
  if (tables.merges.size() > UINT32_MAX / sizeof(TokenizerTables::Merge)) {
    return absl::InvalidArgumentError("The tokenizer's merges have more than 4 GiB.");
  }
  for (size_t rank = 0; rank < tables.merges.size(); ++rank) {
    const auto& [left, right, result] = tables.merges[rank];
    if (left >= count || right >= count || result >= count) {
      return absl::InvalidArgumentError(
          absl::StrCat("Merge ", rank, " of the tokenizer names a token that is not in its vocabulary."));
    }
    if (tables.pieces[left] + tables.pieces[right] != tables.pieces[result]) {
      return absl::InvalidArgumentError(absl::StrCat(
          "Merge ", rank, " of the tokenizer joins '", absl::CHexEscape(tables.pieces[left]), "' and '",
          absl::CHexEscape(tables.pieces[right]), "' to '", absl::CHexEscape(tables.pieces[result]), "'."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckBytes(const TokenizerTables& tables) {
  const size_t count = tables.pieces.size();
  const bool in_row = tables.byte_token_base != CLLM_NO_TOKEN,
             needed = tables.kind == TokenizerKind::kByteBpe;
  if (!tables.byte_tokens.empty() && (in_row || tables.byte_tokens.size() != 256)) {
    return absl::InvalidArgumentError("The tokenizer's byte tokens are given twice, or are not 256.");
  }
  if (in_row ? tables.byte_token_base + uint64_t{256} > count : needed && tables.byte_tokens.empty()) {
    return absl::InvalidArgumentError("The tokenizer's vocabulary does not hold its 256 byte tokens.");
  }
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const uint32_t token = in_row                       ? tables.byte_token_base + byte
                           : tables.byte_tokens.empty() ? CLLM_NO_TOKEN
                                                        : tables.byte_tokens[byte];
    if (token == CLLM_NO_TOKEN) continue;
    if (token >= count || (needed && tables.pieces[token] != std::string(1, static_cast<char>(byte)))) {
      return absl::InvalidArgumentError(
          absl::StrCat("Byte token ", byte, " of the tokenizer is not that byte."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckAdded(const TokenizerTables& tables) {
  const size_t count = tables.pieces.size();
  for (const uint32_t token : tables.words) {
    if (token >= count)
      return absl::InvalidArgumentError(absl::StrCat("The word ", token, " is no token of the tokenizer."));
  }
  for (const auto& [token, flags] : tables.added) {
    if (token >= count || tables.pieces[token].empty() || flags > AddedToken::kFlags) {
      return absl::InvalidArgumentError(
          absl::StrCat("The tokenizer's added token ", token, " is not in its vocabulary, or empty."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTables(const TokenizerTables& tables) {
  const size_t count = tables.pieces.size();
  if (count == 0) return absl::InvalidArgumentError("The tokenizer has no pieces.");
  uint64_t piece_bytes = 0;
  for (const std::string& piece : tables.pieces) piece_bytes += piece.size();
  if (count >= CLLM_NO_TOKEN || piece_bytes > UINT32_MAX) {
    return absl::InvalidArgumentError("The tokenizer's pieces have more than 4 GiB.");
  }
  for (const auto& [name, token] :
       {std::pair{"begin", tables.begin_token}, std::pair{"end", tables.end_token},
        std::pair{"unknown", tables.unknown_token}}) {
    if (absl::Status status = CheckSpecialToken(name, token, count); !status.ok()) return status;
  }
  if (absl::Status status = CheckBytes(tables); !status.ok()) return status;
  if (absl::Status status = CheckScores(tables); !status.ok()) return status;
  if (absl::Status status = CheckLogProbabilities(tables); !status.ok()) return status;
  if (tables.kind != TokenizerKind::kByteBpe && !(tables.merges.empty() && tables.words.empty())) {
    return absl::InvalidArgumentError("Only a byte-level BPE tokenizer has merges.");
  }
  if (absl::Status status = CheckMerges(tables); !status.ok()) return status;
  return CheckAdded(tables);
}

// Tokens that a merge or a character of the text can give, each piece once with its lowest id. Leaving out
// the others (256 byte tokens and the special ones of a llama2.c vocabulary) halves a small model's index.
std::vector<uint32_t> IndexedPieces(const TokenizerTables& tables) {
  const bool scored = tables.kind == TokenizerKind::kScoredMerges;
  const bool by_words = tables.kind == TokenizerKind::kWordPiece || tables.kind == TokenizerKind::kWords;
  const bool bert = tables.pretokenizer == Pretokenizer::kBert;  // added tokens are no pieces of words there
  const auto usable = [&](uint32_t id) {  // llama2.c looks special tokens up like any other
    if (bert && tables.added.count(id) > 0) return false;
    return scored || (id != tables.begin_token && id != tables.end_token && id != tables.unknown_token);
  };
  std::unordered_map<std::string_view, uint32_t> first;
  for (uint32_t id = 0; id < tables.pieces.size(); ++id) {
    if (usable(id)) first.try_emplace(tables.pieces[id], id);
  }
  const auto reachable = [&](std::string_view piece) {
    if (piece.empty()) return false;
    if (by_words) return true;
    const uint32_t leading = scored ? ContinuationGroupBytes(piece.data(), piece.size())
                                    : CharacterBytes(piece.data(), piece.size());
    if (leading == piece.size()) return true;
    for (size_t split = 1; scored && split < piece.size(); ++split) {
      if (first.contains(piece.substr(0, split)) && first.contains(piece.substr(split))) return true;
    }
    return false;
  };
  std::vector<uint32_t> ids;
  for (uint32_t id = 0; id < tables.pieces.size(); ++id) {
    const std::string_view piece = tables.pieces[id];
    if (usable(id) && first[piece] == id && reachable(piece)) ids.push_back(id);
  }
  return ids;
}

std::vector<uint32_t> EmptyIndex(size_t entries) {
  return std::vector<uint32_t>(std::bit_ceil(std::max<size_t>(2, 2 * entries)), kEmptySlot);
}

void Insert(uint32_t entry, uint32_t hash, std::vector<uint32_t>& index) {
  const size_t mask = index.size() - 1;
  size_t slot = hash & mask;
  while (index[slot] != kEmptySlot) slot = (slot + 1) & mask;
  index[slot] = entry;
}

std::vector<uint32_t> PieceIndex(const TokenizerTables& tables, const std::vector<uint32_t>& ids) {
  std::vector<uint32_t> index = EmptyIndex(ids.size());
  for (const uint32_t id : ids) {
    const std::string& piece = tables.pieces[id];
    Insert(id, FinishHash(HashBytes(kHashOfNothing, piece.data(), static_cast<uint32_t>(piece.size()))),
           index);
  }
  return index;
}

// Control tokens are found by their spelling only where the caller asks for them, and so not here.
std::vector<TrieNode> UnigramTrie(const TokenizerTables& tables) {
  std::unordered_map<std::string_view, uint32_t> first;
  for (uint32_t id = 0; id < tables.pieces.size(); ++id) {
    const auto added = tables.added.find(id);
    const bool control = added != tables.added.end() && (added->second & AddedToken::kControl) != 0;
    if (!control && !tables.pieces[id].empty() && tables.log_probabilities[id] > kNeverFound)
      first.try_emplace(tables.pieces[id], id);
  }
  return BuildTrie({first.begin(), first.end()});
}

// Bitmaps of first bytes, then rows by their pieces.
std::vector<uint32_t> AddedRows(const TokenizerTables& tables) {
  std::vector<uint32_t> words(sizeof(AddedTokens::first_bytes) / sizeof(uint32_t));
  std::map<std::string_view, AddedToken> rows;  // compares bytes without a sign
  for (const auto& [token, flags] : tables.added) {
    const std::string_view piece = tables.pieces[token];
    if (!rows.try_emplace(piece, AddedToken{token, flags}).second) continue;
    const uint8_t first = static_cast<uint8_t>(piece[0]);
    words[((flags & AddedToken::kLate) != 0 ? 8 : 0) + first / 32] |= 1u << first % 32;
  }
  for (const auto& [piece, row] : rows) {
    words.push_back(row.token);
    words.push_back(row.flags);
  }
  return words;
}

absl::StatusOr<std::vector<uint32_t>> MergeIndex(const TokenizerTables& tables) {
  std::unordered_map<uint64_t, uint32_t> ranks;
  std::vector<uint32_t> index = EmptyIndex(tables.merges.size());
  for (uint32_t rank = 0; rank < tables.merges.size(); ++rank) {
    const auto& [left, right, result] = tables.merges[rank];
    const auto [other, is_new] = ranks.try_emplace(uint64_t{left} << 32 | right, rank);
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat("Merges ", other->second, " and ", rank,
                                                     " of the tokenizer join the same two tokens."));
    }
    Insert(rank, HashPair(left, right), index);
  }
  return index;
}

}  // namespace

absl::StatusOr<TokenizerSegments> PackTokenizer(const TokenizerTables& tables) {
  TokenizerSegments segments;
  if (tables.kind == TokenizerKind::kNone) return segments;
  if (absl::Status status = CheckTables(tables); !status.ok()) return status;

  std::vector<uint32_t> offsets = {0};
  for (const std::string& piece : tables.pieces) {
    offsets.push_back(offsets.back() + static_cast<uint32_t>(piece.size()));
  }
  segments.pieces = BytesOf(offsets);
  for (const std::string& piece : tables.pieces) {
    segments.pieces.insert(segments.pieces.end(), piece.begin(), piece.end());
  }
  segments.scores = BytesOf(tables.scores);
  segments.byte_tokens = BytesOf(tables.byte_tokens);
  if (!tables.added.empty()) segments.added = BytesOf(AddedRows(tables));
  if (tables.kind == TokenizerKind::kUnigram) {
    segments.scores = BytesOf(tables.log_probabilities);
    segments.index = BytesOf(UnigramTrie(tables));
    return segments;
  }
  if (tables.kind != TokenizerKind::kByteBpe) {
    segments.index = BytesOf(PieceIndex(tables, IndexedPieces(tables)));
    return segments;
  }
  absl::StatusOr<std::vector<uint32_t>> index = MergeIndex(tables);
  if (!index.ok()) return index.status();
  segments.merges = BytesOf(tables.merges);
  segments.index = BytesOf(*index);
  if (!tables.words.empty()) segments.words = BytesOf(PieceIndex(tables, tables.words));
  return segments;
}

TokenizerView ViewOfSegments(const TokenizerTables& tables, const TokenizerSegments& segments) {
  TokenizerView view = {};
  view.kind = tables.kind;
  view.pretokenizer = tables.pretokenizer;
  view.prefix_space = tables.prefix_space;
  view.prefix_once = tables.prefix_once;
  view.prefix_unless_space = tables.prefix_unless_space;
  view.block_is_space = tables.block_is_space;
  view.squeeze_spaces = tables.squeeze_spaces;
  view.float_sums = tables.float_sums;
  view.text_form = tables.text_form;
  view.normalizer = tables.normalizer.data();
  view.normalizer_bytes = static_cast<uint32_t>(tables.normalizer.size());
  view.begin_token = tables.begin_token;
  view.end_token = tables.end_token;
  view.unknown_token = tables.unknown_token;
  view.byte_token_base = tables.byte_token_base;
  view.count = static_cast<uint32_t>(tables.pieces.size());
  if (tables.kind == TokenizerKind::kNone) return view;
  view.offsets = reinterpret_cast<const uint32_t*>(segments.pieces.data());
  view.bytes = reinterpret_cast<const char*>(view.offsets + view.count + 1);
  if (tables.kind == TokenizerKind::kUnigram) {
    view.log_probabilities = reinterpret_cast<const double*>(segments.scores.data());
    view.trie = reinterpret_cast<const TrieNode*>(segments.index.data());
    view.trie_nodes = static_cast<uint32_t>(segments.index.size() / sizeof(TrieNode));
  } else {
    if (!segments.scores.empty()) view.scores = reinterpret_cast<const float*>(segments.scores.data());
    view.index = reinterpret_cast<const uint32_t*>(segments.index.data());
    view.index_slots = static_cast<uint32_t>(segments.index.size() / sizeof(uint32_t));
  }
  if (!segments.merges.empty()) view.merges = reinterpret_cast<const uint32_t*>(segments.merges.data());
  view.merge_count = static_cast<uint32_t>(segments.merges.size() / (3 * sizeof(uint32_t)));
  if (!segments.words.empty()) view.words = reinterpret_cast<const uint32_t*>(segments.words.data());
  view.word_slots = static_cast<uint32_t>(segments.words.size() / sizeof(uint32_t));
  if (!segments.byte_tokens.empty())
    view.byte_tokens = reinterpret_cast<const uint32_t*>(segments.byte_tokens.data());
  if (segments.added.empty()) return view;
  view.added = reinterpret_cast<const AddedTokens*>(segments.added.data());
  view.added_count =
      static_cast<uint32_t>((segments.added.size() - sizeof(AddedTokens::first_bytes)) / sizeof(AddedToken));
  return view;
}

TokenizerTables UnpackTokenizer(const TokenizerView& view) {
  TokenizerTables tables;
  tables.kind = view.kind;
  tables.pretokenizer = view.pretokenizer;
  tables.prefix_space = view.prefix_space;
  tables.prefix_once = view.prefix_once;
  tables.prefix_unless_space = view.prefix_unless_space;
  tables.block_is_space = view.block_is_space;
  tables.squeeze_spaces = view.squeeze_spaces;
  tables.float_sums = view.float_sums;
  tables.text_form = view.text_form;
  tables.normalizer.assign(view.normalizer != nullptr ? view.normalizer : "", view.normalizer_bytes);
  tables.begin_token = view.begin_token;
  tables.end_token = view.end_token;
  tables.unknown_token = view.unknown_token;
  tables.byte_token_base = view.byte_token_base;
  if (view.kind == TokenizerKind::kNone) return tables;
  for (uint32_t id = 0; id < view.count; ++id) {
    const Piece piece = PieceOf(view, id);
    tables.pieces.emplace_back(piece.bytes, piece.size);
  }
  if (view.byte_tokens != nullptr) tables.byte_tokens.assign(view.byte_tokens, view.byte_tokens + 256);
  for (uint32_t slot = 0; slot < view.word_slots; ++slot) {
    if (view.words[slot] != kEmptySlot) tables.words.push_back(view.words[slot]);
  }
  std::sort(tables.words.begin(), tables.words.end());
  for (uint32_t row = 0; row < view.added_count; ++row) {
    tables.added[view.added->rows[row].token] = view.added->rows[row].flags;
  }
  if (view.log_probabilities != nullptr)
    tables.log_probabilities.assign(view.log_probabilities, view.log_probabilities + view.count + 1);
  if (view.scores != nullptr) tables.scores.assign(view.scores, view.scores + view.count);
  for (uint32_t rank = 0; rank < view.merge_count; ++rank) {
    const uint32_t* merge = view.merges + uint64_t{3} * rank;
    tables.merges.push_back({merge[0], merge[1], merge[2]});
  }
  return tables;
}

}  // namespace cllm
