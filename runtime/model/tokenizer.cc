#include "base/features.h"
#include "model/head.h"
#include "model/tensors.h"

namespace cllm {
namespace {

constexpr uint32_t kByteTokens = 256;
constexpr uint32_t kEmptySlot = 0xFFFFFFFFu;

struct Table {
  const uint8_t* data;
  uint64_t bytes;
};

Status NextTable(const schema::Segment* segment, SegmentReader* segments, Table* table) {
  *table = {nullptr, 0};
  if (segment == nullptr) return CLLM_OK;
  table->bytes = segment->bytes();
  return segments->Next(*segment, &table->data);
}

bool IsTokenOrNone(uint32_t token, uint32_t vocabulary_size) {
  return token == CLLM_NO_TOKEN || token < vocabulary_size;
}

bool CheckSpecials(const TokenizerView& view) {
  const bool bytes = view.byte_token_base == CLLM_NO_TOKEN
                         ? view.kind != TokenizerKind::kByteBpe || view.byte_tokens != nullptr
                         : uint64_t{view.byte_token_base} + kByteTokens <= view.count;
  return bytes && IsTokenOrNone(view.begin_token, view.count) && IsTokenOrNone(view.end_token, view.count) &&
         IsTokenOrNone(view.unknown_token, view.count);
}

bool ReadPieces(const Table& table, TokenizerView* view) {
  const uint64_t offsets_bytes = (uint64_t{view->count} + 1) * sizeof(uint32_t);
  if (table.data == nullptr || table.bytes < offsets_bytes) return false;
  view->offsets = reinterpret_cast<const uint32_t*>(table.data);
  view->bytes = reinterpret_cast<const char*>(table.data + offsets_bytes);
  if (view->offsets[0] != 0 || view->offsets[view->count] != table.bytes - offsets_bytes) return false;
  for (uint32_t i = 0; i < view->count; ++i) {
    if (view->offsets[i] > view->offsets[i + 1]) return false;
  }
  return true;
}

bool ReadScores(const Table& table, TokenizerView* view) {
  if (view->kind == TokenizerKind::kUnigram) return true;  // read with the trie
  if (view->kind != TokenizerKind::kScoredMerges) return table.data == nullptr;
  if (table.data == nullptr || table.bytes != uint64_t{view->count} * sizeof(float)) return false;
  view->scores = reinterpret_cast<const float*>(table.data);
  for (uint32_t i = 0; i < view->count; ++i) {
    if (!(view->scores[i] - view->scores[i] == 0.0f)) return false;  // infinite or not a number
  }
  return true;
}

#ifndef CLLM_WITHOUT_ALL_TOKENIZERS
bool ReadUnigram(const Table& scores, const Table& trie, TokenizerView* view) {
  constexpr uint32_t kNodeBytes = sizeof(TrieNode);
  const uint64_t numbers = uint64_t{view->count} + 1;
  if (scores.data == nullptr || scores.bytes != numbers * sizeof(double)) return false;
  if (trie.data == nullptr || trie.bytes == 0 || trie.bytes > 0xFFFFFFFFu) return false;
  if (trie.bytes % kNodeBytes != 0) return false;
  view->log_probabilities = reinterpret_cast<const double*>(scores.data);
  view->trie = reinterpret_cast<const TrieNode*>(trie.data);
  view->trie_nodes = static_cast<uint32_t>(trie.bytes / kNodeBytes);
  for (uint64_t i = 0; i < numbers; ++i) {
    if (!(view->log_probabilities[i] - view->log_probabilities[i] == 0.0)) return false;
  }
  for (uint32_t i = 0; i < view->trie_nodes; ++i) {
    if (!IsTokenOrNone(view->trie[i].token, view->count)) return false;
  }
  return true;
}

void ReadNormalizer(const schema::Tokenizer& stored, TokenizerView* view) {
  view->squeeze_spaces = stored.squeeze_spaces();
  view->float_sums = stored.float_sums();
  if (stored.normalizer() == nullptr) return;
  view->normalizer = stored.normalizer()->c_str();
  view->normalizer_bytes = stored.normalizer()->size();
}
#endif

bool ReadMerges(const Table& table, TokenizerView* view) {
  if (view->kind != TokenizerKind::kByteBpe) return table.data == nullptr;
  constexpr uint32_t kMergeBytes = 3 * sizeof(uint32_t);
  if (table.bytes > 0xFFFFFFFFu) return false;  // so that firmware divides in 32 bits
  const auto bytes = static_cast<uint32_t>(table.bytes);
  if (bytes % kMergeBytes != 0) return false;
  view->merges = reinterpret_cast<const uint32_t*>(table.data);
  view->merge_count = bytes / kMergeBytes;
  for (uint32_t i = 0; i < 3 * view->merge_count; ++i) {
    if (view->merges[i] >= view->count) return false;
  }
  return true;
}

// A hash table whose slots name `entries` things.
bool ReadSlots(const Table& table, uint32_t entries, const uint32_t** slots, uint32_t* count) {
  const uint64_t size = table.bytes / sizeof(uint32_t);
  if (size == 0 || size > 0x80000000u || (size & (size - 1)) != 0) return false;
  if (table.bytes % sizeof(uint32_t) != 0) return false;
  *slots = reinterpret_cast<const uint32_t*>(table.data);
  *count = static_cast<uint32_t>(size);
  bool has_empty = false;
  for (uint32_t i = 0; i < *count; ++i) {
    if ((*slots)[i] == kEmptySlot) {
      has_empty = true;
    } else if ((*slots)[i] >= entries) {
      return false;
    }
  }
  return has_empty;
}

bool ReadIndexes(const Table& index, const Table& words, TokenizerView* view) {
  if (view->kind == TokenizerKind::kUnigram) return words.data == nullptr;  // its index is the trie
  const bool merges = view->kind == TokenizerKind::kByteBpe;
  const uint32_t entries = merges ? view->merge_count : view->count;
  if (!ReadSlots(index, entries, &view->index, &view->index_slots)) return false;
  return words.data == nullptr || (merges && ReadSlots(words, view->count, &view->words, &view->word_slots));
}

bool ReadByteTokens(const Table& table, TokenizerView* view) {
  if (table.data == nullptr) return true;
  if (table.bytes != kByteTokens * sizeof(uint32_t) || view->byte_token_base != CLLM_NO_TOKEN) return false;
  view->byte_tokens = reinterpret_cast<const uint32_t*>(table.data);
  for (uint32_t i = 0; i < kByteTokens; ++i) {
    if (!IsTokenOrNone(view->byte_tokens[i], view->count)) return false;
  }
  return true;
}

bool ReadAdded(const Table& table, TokenizerView* view) {
  if (table.data == nullptr) return true;
  constexpr uint32_t kFirst = sizeof(AddedTokens::first_bytes), kRow = sizeof(AddedToken);
  if (table.bytes < kFirst || table.bytes > 0xFFFFFFFFu) return false;
  const uint32_t rows = static_cast<uint32_t>(table.bytes) - kFirst;
  if (rows % kRow != 0) return false;
  view->added = reinterpret_cast<const AddedTokens*>(table.data);
  view->added_count = rows / kRow;
  for (uint32_t i = 0; i < view->added_count; ++i) {
    const AddedToken& row = view->added->rows[i];
    if (row.token >= view->count || row.flags > AddedToken::kFlags) return false;
    if (view->offsets[row.token] == view->offsets[row.token + 1]) return false;
  }
  return true;
}

Status CheckKind(const schema::Tokenizer& stored) {
  const auto kind = static_cast<uint8_t>(stored.kind());
  const auto pretokenizer = static_cast<uint8_t>(stored.pretokenizer());
  const bool known =
      kind <= static_cast<uint8_t>(kHasAllTokenizers ? TokenizerKind::kUnigram : TokenizerKind::kWords) &&
      pretokenizer <= static_cast<uint8_t>(Pretokenizer::kBert) &&
      static_cast<uint8_t>(stored.text_form()) <= static_cast<uint8_t>(TextForm::kSteps);
  return known ? CLLM_OK : CLLM_UNSUPPORTED_TOKENIZER;
}

TokenizerView Without() {
  TokenizerView view = {};
  view.begin_token = view.end_token = view.unknown_token = view.byte_token_base = CLLM_NO_TOKEN;
  return view;
}

}  // namespace

Status ReadTokenizer(const schema::Tokenizer* stored, uint32_t vocabulary_size, SegmentReader* segments,
                     TokenizerView* view) {
  *view = Without();
  if (stored == nullptr) return CLLM_OK;
  CLLM_RETURN_IF_ERROR(CheckKind(*stored));
  Table pieces, scores, merges, index, byte_tokens, words, added;
  CLLM_RETURN_IF_ERROR(NextTable(stored->pieces(), segments, &pieces));
  CLLM_RETURN_IF_ERROR(NextTable(stored->scores(), segments, &scores));
  CLLM_RETURN_IF_ERROR(NextTable(stored->merges(), segments, &merges));
  CLLM_RETURN_IF_ERROR(NextTable(stored->index(), segments, &index));
  CLLM_RETURN_IF_ERROR(NextTable(stored->byte_tokens(), segments, &byte_tokens));
  CLLM_RETURN_IF_ERROR(NextTable(stored->words(), segments, &words));
  CLLM_RETURN_IF_ERROR(NextTable(stored->added(), segments, &added));
  view->kind = static_cast<TokenizerKind>(stored->kind());
  if (view->kind == TokenizerKind::kNone) {
    const bool empty = pieces.data == nullptr && scores.data == nullptr && merges.data == nullptr &&
                       index.data == nullptr && byte_tokens.data == nullptr && words.data == nullptr &&
                       added.data == nullptr;
    return empty ? CLLM_OK : CLLM_FILE_TOKENIZER;
  }
  view->pretokenizer = static_cast<Pretokenizer>(stored->pretokenizer());
  view->prefix_space = stored->prefix_space();
  view->prefix_once = stored->prefix_once();
  view->prefix_unless_space = stored->prefix_unless_space();
  view->block_is_space = stored->block_is_space();
  view->begin_token = stored->begin_token();
  view->end_token = stored->end_token();
  view->unknown_token = stored->unknown_token();
  view->byte_token_base = stored->byte_token_base();
  view->text_form = static_cast<TextForm>(stored->text_form());
  view->count = vocabulary_size;
  bool consistent = ReadByteTokens(byte_tokens, view) && CheckSpecials(*view) && ReadPieces(pieces, view) &&
                    ReadScores(scores, view) && ReadMerges(merges, view) && ReadIndexes(index, words, view) &&
                    ReadAdded(added, view);
#ifndef CLLM_WITHOUT_ALL_TOKENIZERS
  ReadNormalizer(*stored, view);
  if (view->kind == TokenizerKind::kUnigram) consistent = consistent && ReadUnigram(scores, index, view);
#endif
  return consistent ? CLLM_OK : CLLM_FILE_TOKENIZER;
}

}  // namespace cllm
