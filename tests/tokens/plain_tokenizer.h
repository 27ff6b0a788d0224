// The tokenizers of schemas/TOKENIZER.md written down plainly, in quadratic time, to test the runtime
// against; and tables and texts to test with. Shares no code with the runtime.
#ifndef CLLM_TESTS_TOKENS_PLAIN_TOKENIZER_H_
#define CLLM_TESTS_TOKENS_PLAIN_TOKENIZER_H_

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/layout.h"
#include "converter/checkpoint/checkpoint.h"
#include "tokens/encode.h"

namespace cllm::plain {

using Tokens = std::vector<uint32_t>;

inline bool Continues(char c) { return (c & 0xC0) == 0x80; }

// llama2.c's encoder, run.c.
inline Tokens EncodeScored(const TokenizerTables& t, const std::string& text) {
  std::map<std::string, uint32_t> ids;
  for (uint32_t id = 0; id < t.pieces.size(); ++id) ids.emplace(t.pieces[id], id);
  Tokens tokens;
  const auto append = [&](const std::string& group) {
    if (ids.contains(group)) return tokens.push_back(ids[group]);
    for (const char c : group) tokens.push_back(t.byte_token_base + static_cast<uint8_t>(c));
  };
  if (t.prefix_space && !text.empty()) append(" ");
  std::string group;
  for (size_t i = 0; i < text.size(); ++i) {
    group += text[i];
    if (i + 1 < text.size() && Continues(text[i + 1]) && group.size() < 4) continue;
    append(group);
    group.clear();
  }
  for (;;) {
    float best_score = -1e10f;
    uint32_t best_id = 0;
    size_t best = tokens.size();
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const std::string &left = t.pieces[tokens[i]], &right = t.pieces[tokens[i + 1]];
      if (left.empty() || right.empty()) continue;
      const auto found = ids.find(left + right);
      if (found == ids.end() || !(t.scores[found->second] > best_score)) continue;
      best_score = t.scores[found->second];
      best_id = found->second;
      best = i;
    }
    if (best == tokens.size()) return tokens;
    tokens[best] = best_id;
    tokens.erase(tokens.begin() + best + 1);
  }
}

inline int ByteClass(uint8_t c) {
  if (c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return 1;
  if (c >= '0' && c <= '9') return 2;
  return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r' ? 0 : 3;
}

// A word begins where the class of bytes changes, except that a last space belongs to what follows it.
inline std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool visible = ByteClass(text[i]) != 0;
    const bool joins = i > 0 && (ByteClass(text[i]) == ByteClass(text[i - 1]));
    if (joins) {
      words.back() += text[i];
    } else if (visible && i > 0 && text[i - 1] == ' ') {
      words.back().pop_back();
      if (words.back().empty()) words.pop_back();
      words.push_back(std::string(" ") + text[i]);
    } else {
      words.emplace_back(1, text[i]);
    }
  }
  return words;
}

inline Tokens EncodeBytePairs(const TokenizerTables& t, const std::string& text) {
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> ranks;
  for (uint32_t rank = 0; rank < t.merges.size(); ++rank) {
    ranks[{t.merges[rank].left, t.merges[rank].right}] = rank;
  }
  Tokens all;
  const std::vector<std::string> words =
      t.pretokenizer == Pretokenizer::kWords ? Words(text) : std::vector<std::string>{text};
  for (const std::string& word : words) {
    Tokens tokens;
    for (const char c : word) tokens.push_back(t.byte_token_base + static_cast<uint8_t>(c));
    for (;;) {
      uint32_t best_rank = UINT32_MAX;
      size_t best = 0;
      for (size_t i = 0; i + 1 < tokens.size(); ++i) {
        const auto found = ranks.find({tokens[i], tokens[i + 1]});
        if (found == ranks.end() || found->second >= best_rank) continue;
        best_rank = found->second;
        best = i;
      }
      if (best_rank == UINT32_MAX) break;
      tokens[best] = t.merges[best_rank].result;
      tokens.erase(tokens.begin() + best + 1);
    }
    all.insert(all.end(), tokens.begin(), tokens.end());
  }
  return all;
}

// Bytes of the character that begins at `at`.
inline size_t CharacterAt(const std::string& text, size_t at) {
  const uint8_t lead = static_cast<uint8_t>(text[at]);
  const size_t size = lead >= 0xF8 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  for (size_t i = 1; i < size; ++i) {
    if (at + i >= text.size() || !Continues(text[at + i])) return 1;
  }
  return size;
}

inline std::map<std::string, uint32_t> OrdinaryPieces(const TokenizerTables& t) {
  std::map<std::string, uint32_t> ids;
  for (uint32_t id = 0; id < t.pieces.size(); ++id) {
    if (id != t.begin_token && id != t.end_token && id != t.unknown_token) ids.emplace(t.pieces[id], id);
  }
  return ids;
}

// Nothing: there is no token for unknown characters, and one is needed.
inline std::optional<Tokens> EncodeWordPieces(const TokenizerTables& t, const std::string& text) {
  const std::map<std::string, uint32_t> ids = OrdinaryPieces(t);
  Tokens tokens;
  for (const std::string& word : Words(text)) {
    for (size_t at = 0; at < word.size();) {
      size_t size = std::min<size_t>(word.size() - at, 64);
      while (size > 0 && !ids.contains(word.substr(at, size))) --size;
      if (size == 0 && t.unknown_token == CLLM_NO_TOKEN) return std::nullopt;
      tokens.push_back(size > 0 ? ids.at(word.substr(at, size)) : t.unknown_token);
      at += size > 0 ? size : CharacterAt(word, at);
    }
  }
  return tokens;
}

inline std::optional<Tokens> EncodeWords(const TokenizerTables& t, const std::string& text) {
  const std::map<std::string, uint32_t> ids = OrdinaryPieces(t);
  Tokens tokens;
  for (const std::string& word : Words(text)) {
    const auto found = ids.find(word);
    if (found == ids.end() && t.unknown_token == CLLM_NO_TOKEN) return std::nullopt;
    tokens.push_back(found != ids.end() ? found->second : t.unknown_token);
  }
  return tokens;
}

// Runs the runtime's encoder in buffers of exactly the promised sizes, on the heap, so that the address
// sanitizer sees any step beside them.
struct Encoded {
  Status status;
  Tokens tokens;
};
inline Encoded RunEncode(const TokenizerView& view, const std::string& text,
                         Specials specials = Specials::kAsText) {
  const uint64_t bytes = EncodeScratchBytes(view, text.size());
  void* scratch = bytes > 0 ? std::aligned_alloc(kAlignment, bytes) : nullptr;
  if (scratch != nullptr) std::memset(scratch, 0xA5, bytes);
  char* copy = static_cast<char*>(std::malloc(text.size() + (text.empty() ? 1 : 0)));
  std::memcpy(copy, text.data(), text.size());
  Encoded result;
  const size_t capacity = 2 * text.size() + 1;  // a space may be put behind each added token
  result.tokens.resize(capacity);
  uint64_t count = 0;
  result.status = Encode(view, copy, text.size(), scratch, result.tokens.data(), capacity, &count, specials);
  result.tokens.resize(result.status == CLLM_OK ? count : 0);
  std::free(copy);
  std::free(scratch);
  return result;
}

// A random text: its alphabet has `letters` symbols, some of several bytes, some invalid UTF-8, in runs of up
// to `run` equal ones.
inline std::string RandomText(std::mt19937& random, size_t symbols, uint32_t letters, uint32_t run) {
  static const char* const kSymbols[] = {"a",
                                         "b",
                                         " ",
                                         "c",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\n",
                                         "\x80",
                                         "\xF0",
                                         "\xE2",
                                         "\xF0\x9F\x98\x80",
                                         "1",
                                         ".",
                                         "<",
                                         "0",
                                         "x",
                                         "4",
                                         ">",
                                         "\xBF\xBF\xBF",
                                         "\xFF"};
  std::string text;
  while (text.size() < symbols) {
    const std::string symbol = kSymbols[random() % std::min<size_t>(letters, std::size(kSymbols))];
    for (uint32_t i = random() % run + 1; i > 0; --i) text += symbol;
  }
  return text;
}

inline std::string RandomBytes(std::mt19937& random, size_t bytes) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

// llama2.c's tokenizer file: int32 longest piece; then for each piece float score, int32 length, its bytes.
// Empty tables if there is no such file.
inline TokenizerTables ReadLlama2cTokenizer(const std::string& path) {
  TokenizerTables tables;
  std::ifstream file(path, std::ios::binary);
  int32_t length = 0;
  float score = 0;
  file.read(reinterpret_cast<char*>(&length), 4);
  while (file.read(reinterpret_cast<char*>(&score), 4) && file.read(reinterpret_cast<char*>(&length), 4)) {
    std::string piece(static_cast<size_t>(length), '\0');
    file.read(piece.data(), length);
    tables.pieces.push_back(piece);
    tables.scores.push_back(score);
  }
  if (tables.pieces.empty()) return tables;
  tables.kind = TokenizerKind::kScoredMerges;
  tables.prefix_space = true;
  tables.unknown_token = 0;
  tables.begin_token = 1;
  tables.end_token = 2;
  tables.byte_token_base = 3;
  return tables;
}

inline std::string SharedPath(const std::string& name) {
  const char* shared = std::getenv("CLLM_SHARED");
  return std::string(shared != nullptr ? shared : "../shared") + "/data/" + name;
}

inline std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A vocabulary in the manner of llama2.c's: three special tokens, bytes, then pieces grown at random from
// others, with few different scores, and longer pieces not always worse than their parts.
inline TokenizerTables RandomScoredTables(std::mt19937& random, uint32_t pieces) {
  TokenizerTables t;
  t.kind = TokenizerKind::kScoredMerges;
  t.prefix_space = random() % 4 != 0;
  t.unknown_token = 0;
  t.begin_token = 1;
  t.end_token = 2;
  t.byte_token_base = 3;
  t.pieces = {"<unk>", "\n<s>\n", "\n</s>\n"};
  for (int byte = 0; byte < 256; ++byte) {
    char piece[8];
    std::snprintf(piece, sizeof(piece), "<0x%02X>", byte);
    t.pieces.push_back(piece);
  }
  const size_t first = t.pieces.size();
  for (const char* p : {"a", "b", " ", "\xC3\xA9", "<", "0", "x", "4", "1", ">", "c", ""})
    t.pieces.push_back(p);
  while (t.pieces.size() < first + pieces) {
    const std::string& left = t.pieces[first + random() % (t.pieces.size() - first)];
    const size_t among = random() % 16 == 0 ? 0 : first;  // byte tokens' own spelling now and then
    const std::string& right = t.pieces[among + random() % (t.pieces.size() - among)];
    if (left.size() + right.size() < 40) t.pieces.push_back(left + right);
  }
  for (size_t i = 0; i < t.pieces.size(); ++i) {
    t.scores.push_back(random() % 40 == 0 ? -2e10f
                                          : static_cast<float>(static_cast<int>(random() % 9) - 6) / 2);
    if (random() % 6 == 0) t.scores.back() = -0.0f;
  }
  return t;
}

// Merges of random pairs, of the bytes that RandomText is made of and of earlier results.
inline TokenizerTables RandomBpeTables(std::mt19937& random, uint32_t merges) {
  TokenizerTables t;
  t.kind = TokenizerKind::kByteBpe;
  t.pretokenizer = random() % 2 ? Pretokenizer::kWords : Pretokenizer::kWhole;
  t.pieces = {"<|begin|>", "<|end|>"};
  t.begin_token = 0;
  t.end_token = 1;
  t.byte_token_base = 2;
  for (int byte = 0; byte < 256; ++byte) t.pieces.emplace_back(1, static_cast<char>(byte));
  std::vector<uint32_t> used;
  for (const char c : std::string("ab c\xC3\xA9\n")) used.push_back(2 + static_cast<uint8_t>(c));
  std::map<std::pair<uint32_t, uint32_t>, bool> seen;
  while (t.merges.size() < merges) {
    const uint32_t left = used[random() % used.size()], right = used[random() % used.size()];
    if (t.pieces[left].size() + t.pieces[right].size() > 64 || seen[{left, right}]) continue;
    seen[{left, right}] = true;
    t.merges.push_back({left, right, static_cast<uint32_t>(t.pieces.size())});
    t.pieces.push_back(t.pieces[left] + t.pieces[right]);
    used.push_back(t.merges.back().result);
  }
  for (size_t i = t.merges.size(); i > 1; --i) std::swap(t.merges[i - 1], t.merges[random() % i]);
  return t;
}

// Pieces cut out of random words, most single characters among them, some pieces twice.
inline TokenizerTables RandomWordTables(std::mt19937& random, TokenizerKind kind, uint32_t pieces) {
  TokenizerTables t;
  t.kind = kind;
  t.pretokenizer = Pretokenizer::kWords;
  t.pieces = {"a", "<|end|>", "<|unknown|>"};  // a begin token that looks like a word
  t.begin_token = 0;
  t.end_token = 1;
  t.unknown_token = random() % 4 == 0 ? CLLM_NO_TOKEN : 2;
  while (t.pieces.size() < pieces + 3) {
    const std::string text = RandomText(random, 40, 1 + random() % 20, 1 + random() % 40);
    for (const std::string& word : Words(text)) {
      const size_t begin = random() % 2 ? 0 : random() % word.size();
      const size_t size = random() % 3 == 0 ? CharacterAt(word, begin) : 1 + random() % 9;
      std::string piece = random() % 2 ? word : word.substr(begin, size);
      if (kind == TokenizerKind::kWordPiece) piece.resize(std::min<size_t>(piece.size(), 64));
      t.pieces.push_back(piece);
    }
  }
  return t;
}

}  // namespace cllm::plain

#endif  // CLLM_TESTS_TOKENS_PLAIN_TOKENIZER_H_
