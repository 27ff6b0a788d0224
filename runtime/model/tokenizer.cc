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
                         ? view.kind != TokenizerKind::kByteBpe
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
  if (view->kind != TokenizerKind::kScoredMerges) return table.data == nullptr;
  if (table.data == nullptr || table.bytes != uint64_t{view->count} * sizeof(float)) return false;
  view->scores = reinterpret_cast<const float*>(table.data);
  for (uint32_t i = 0; i < view->count; ++i) {
    if (!(view->scores[i] - view->scores[i] == 0.0f)) return false;  // infinite or not a number
  }
  return true;
}

bool ReadMerges(const Table& table, TokenizerView* view) {
  if (view->kind != TokenizerKind::kByteBpe) return table.data == nullptr;
  constexpr uint32_t kMergeBytes = 3 * sizeof(uint32_t);
  static_assert(uint64_t{kMergeBytes} * kMaxVocabulary <= 0xFFFFFFFFu,
                "bytes fit 32 bits, as firmware divides");
  if (table.bytes > uint64_t{kMergeBytes} * view->count) return false;
  const auto bytes = static_cast<uint32_t>(table.bytes);
  if (bytes % kMergeBytes != 0) return false;
  view->merges = reinterpret_cast<const uint32_t*>(table.data);
  view->merge_count = bytes / kMergeBytes;
  for (uint32_t i = 0; i < 3 * view->merge_count; ++i) {
    if (view->merges[i] >= view->count) return false;
  }
  return true;
}

bool ReadIndex(const Table& table, TokenizerView* view) {
  const uint64_t slots = table.bytes / sizeof(uint32_t);
  if (slots == 0 || slots > 0x80000000u || (slots & (slots - 1)) != 0) return false;
  if (table.bytes % sizeof(uint32_t) != 0) return false;
  view->index = reinterpret_cast<const uint32_t*>(table.data);
  view->index_slots = static_cast<uint32_t>(slots);
  const uint32_t entries = view->kind == TokenizerKind::kByteBpe ? view->merge_count : view->count;
  bool has_empty = false;
  for (uint32_t i = 0; i < view->index_slots; ++i) {
    if (view->index[i] == kEmptySlot) {
      has_empty = true;
    } else if (view->index[i] >= entries) {
      return false;
    }
  }
  return has_empty;
}

Status CheckKind(const schema::Tokenizer& stored) {
  const auto kind = static_cast<uint8_t>(stored.kind());
  const auto pretokenizer = static_cast<uint8_t>(stored.pretokenizer());
  const bool known = kind <= static_cast<uint8_t>(TokenizerKind::kWords) &&
                     pretokenizer <= static_cast<uint8_t>(Pretokenizer::kWords);
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
  Table pieces, scores, merges, index;
  CLLM_RETURN_IF_ERROR(NextTable(stored->pieces(), segments, &pieces));
  CLLM_RETURN_IF_ERROR(NextTable(stored->scores(), segments, &scores));
  CLLM_RETURN_IF_ERROR(NextTable(stored->merges(), segments, &merges));
  CLLM_RETURN_IF_ERROR(NextTable(stored->index(), segments, &index));
  view->kind = static_cast<TokenizerKind>(stored->kind());
  if (view->kind == TokenizerKind::kNone) {
    const bool empty =
        pieces.data == nullptr && scores.data == nullptr && merges.data == nullptr && index.data == nullptr;
    return empty ? CLLM_OK : CLLM_FILE_TOKENIZER;
  }
  view->pretokenizer = static_cast<Pretokenizer>(stored->pretokenizer());
  view->prefix_space = stored->prefix_space();
  view->begin_token = stored->begin_token();
  view->end_token = stored->end_token();
  view->unknown_token = stored->unknown_token();
  view->byte_token_base = stored->byte_token_base();
  view->count = vocabulary_size;
  const bool consistent = CheckSpecials(*view) && ReadPieces(pieces, view) && ReadScores(scores, view) &&
                          ReadMerges(merges, view) && ReadIndex(index, view);
  return consistent ? CLLM_OK : CLLM_FILE_TOKENIZER;
}

}  // namespace cllm
