#include "tokens/unigram.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "tokens/index.h"
#include "tokens/split.h"

namespace cllm {

#ifndef CLLM_WITHOUT_ALL_TOKENIZERS

namespace {

constexpr uint32_t kNowhere = 0xFFFFFFFFu;
constexpr uint32_t kUnknown = kNotFound;  // in place of a token

// The best way to cut the text before a place.
struct End {
  double score;
  uint32_t start;  // of its last piece; kNowhere: no way comes here
  uint32_t token;
};

bool IsBlock(const char* text, uint64_t bytes) {
  return bytes >= 3 && std::memcmp(text, "\xE2\x96\x81", 3) == 0;
}

// The stretch as it is encoded, with its spaces put before, squeezed or read from U+2581; at most one byte
// longer than it was. Returns its bytes.
uint32_t TakeSpaces(const TokenizerView& tokenizer, const char* text, uint64_t bytes, bool is_start,
                    char* out) {
  uint64_t i = 0;
  while (tokenizer.squeeze_spaces && i < bytes && text[i] == ' ') ++i;
  if (i == bytes) return 0;
  uint32_t size = 0;
  const bool starts_with_space = text[i] == ' ' || (tokenizer.block_is_space && IsBlock(text, bytes - i));
  if (tokenizer.prefix_space && (is_start || !tokenizer.prefix_once) &&
      !(starts_with_space && tokenizer.prefix_unless_space)) {
    out[size++] = ' ';
  }
  for (bool after_space = false; i < bytes; ++i) {
    const bool space = text[i] == ' ';
    if (tokenizer.block_is_space && IsBlock(text + i, bytes - i)) {
      out[size++] = ' ';
      i += 2;
    } else if (!(space && after_space && tokenizer.squeeze_spaces)) {
      out[size++] = text[i];
    }
    after_space = space;
  }
  while (tokenizer.squeeze_spaces && size > 0 && out[size - 1] == ' ') --size;
  return size;
}

class Lattice {
 public:
  Lattice(const TokenizerView& tokenizer, const char* text, uint32_t size, End* ends)
      : tokenizer_(tokenizer), text_(text), size_(size), ends_(ends) {}

  void FindBest() {
    for (uint32_t i = 1; i <= size_; ++i) ends_[i].start = kNowhere;
    ends_[0] = {0.0, 0, kUnknown};
    for (uint32_t start = 0; start < size_;) {
      const uint32_t character = CharacterBytes(text_ + start, size_ - start);
      if (!FindPieces(start, start + character)) {
        Offer(start, start + character, kUnknown, tokenizer_.log_probabilities[tokenizer_.count]);
      }
      start += character;
    }
  }

  Status Append(Output* output) {
    LinkForwards();
    bool after_unknown = false;
    for (uint32_t start = 0; start < size_;) {
      const End& piece = ends_[start];
      if (piece.token != kUnknown) {
        output->Append(piece.token);
        after_unknown = false;
      } else if (!AppendBytes(start, piece.start, output)) {
        // A run of unknown characters is one token.
        if (tokenizer_.unknown_token == CLLM_NO_TOKEN) return CLLM_TEXT_NOT_ENCODABLE;
        if (!after_unknown) output->Append(tokenizer_.unknown_token);
        after_unknown = true;
      }
      start = piece.start;
    }
    return CLLM_OK;
  }

 private:
  // Offers each piece that begins here. Returns whether one of them is the first character by itself.
  bool FindPieces(uint32_t start, uint32_t character_end) {
    bool found = false;
    const uint32_t last = size_ - start > kLongestUnigramPiece ? start + kLongestUnigramPiece : size_;
    for (uint32_t node = 0, end = start; end < last;) {
      const uint32_t child = tokenizer_.trie[node].base + static_cast<uint8_t>(text_[end]);
      if (child >= tokenizer_.trie_nodes || tokenizer_.trie[child].parent != node) break;
      node = child;
      ++end;
      const uint32_t token = tokenizer_.trie[node].token;
      if (token == CLLM_NO_TOKEN) continue;
      Offer(start, end, token, tokenizer_.log_probabilities[token]);
      found = found || end == character_end;
    }
    return found;
  }

  // Of equal sums the first that is offered stays: that of the longest last piece.
  void Offer(uint32_t start, uint32_t end, uint32_t token, double score) {
    const double sum = ends_[start].score + score;
    End& best = ends_[end];
    if (best.start != kNowhere && !(sum > best.score)) return;
    best = {tokenizer_.float_sums ? static_cast<float>(sum) : sum, start, token};
  }

  // Each piece of the best way at its start: `start` then says where it ends.
  void LinkForwards() {
    End next = ends_[size_];
    for (uint32_t end = size_; end > 0;) {
      const uint32_t start = next.start;
      const End before = ends_[start];
      ends_[start].token = next.token;
      ends_[start].start = end;
      next = before;
      end = start;
    }
  }

  // The bytes of an unknown character, where all of them are tokens.
  bool AppendBytes(uint32_t start, uint32_t end, Output* output) const {
    for (uint32_t i = start; i < end; ++i) {
      if (ByteToken(tokenizer_, text_[i]) == CLLM_NO_TOKEN) return false;
    }
    for (uint32_t i = start; i < end; ++i) output->Append(ByteToken(tokenizer_, text_[i]));
    return true;
  }

  const TokenizerView& tokenizer_;
  const char* text_;
  uint32_t size_;
  End* ends_;
};

}  // namespace

uint64_t UnigramScratchBytes(uint64_t text_bytes) {
  return RoundUp((text_bytes + 2) * (sizeof(End) + 1), kAlignment);
}

Status EncodeUnigram(const TokenizerView& tokenizer, const char* text, uint64_t bytes, bool is_start,
                     void* scratch, Output* output) {
  End* ends = static_cast<End*>(scratch);
  char* spaced = reinterpret_cast<char*>(ends + bytes + 2);
  const uint32_t size = TakeSpaces(tokenizer, text, bytes, is_start, spaced);
  const bool by_words = tokenizer.pretokenizer == Pretokenizer::kSpaces;
  for (uint32_t start = 0, end = 0; start < size; start = end) {
    end = by_words ? start + 1 : size;
    while (end < size && spaced[end] != ' ') ++end;
    Lattice lattice(tokenizer, spaced + start, end - start, ends);
    lattice.FindBest();
    CLLM_RETURN_IF_ERROR(lattice.Append(output));
  }
  return CLLM_OK;
}

#else

uint64_t UnigramScratchBytes(uint64_t) { return 0; }

Status EncodeUnigram(const TokenizerView&, const char*, uint64_t, bool, void*, Output*) {
  return CLLM_UNSUPPORTED_TOKENIZER;
}

#endif

}  // namespace cllm
