#include "converter/export/gguf_tokenizer.h"

#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

// The format's kinds of tokens.
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6;

std::string Utf8(uint32_t below_2048) {
  if (below_2048 < 0x80) return std::string(1, static_cast<char>(below_2048));
  return {static_cast<char>(0xC0 | below_2048 >> 6), static_cast<char>(0x80 | (below_2048 & 0x3F))};
}

// Printable bytes of Latin-1 stand for themselves, the others in their order for the characters from 256 on.
std::array<std::string, 256> MakeGpt2Alphabet() {
  std::array<std::string, 256> alphabet;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    alphabet[byte] = Utf8(printable ? byte : next++);
  }
  return alphabet;
}

bool IsByte(const TokenizerTables& tokenizer, uint32_t token) {
  return tokenizer.byte_token_base != CLLM_NO_TOKEN && token >= tokenizer.byte_token_base &&
         token - tokenizer.byte_token_base < 256;
}

void SetScoredMerges(const TokenizerTables& tokenizer, GgufFile* file) {
  std::vector<std::string> pieces;
  std::vector<int32_t> kinds;
  for (uint32_t token = 0; token < tokenizer.pieces.size(); ++token) {
    if (token == tokenizer.begin_token || token == tokenizer.end_token) {
      pieces.emplace_back(token == tokenizer.begin_token ? "<s>" : "</s>");
      kinds.push_back(kControl);
    } else if (token == tokenizer.unknown_token) {
      pieces.emplace_back("<unk>");
      kinds.push_back(kUnknown);
    } else if (IsByte(tokenizer, token)) {
      pieces.push_back(BytePiece(token - tokenizer.byte_token_base));
      kinds.push_back(kByte);
    } else {
      pieces.push_back(absl::StrReplaceAll(tokenizer.pieces[token], {{" ", kSpacePiece}}));
      kinds.push_back(kNormal);
    }
  }
  file->Set("tokenizer.ggml.model", "llama");
  file->Set("tokenizer.ggml.tokens", pieces);
  file->Set("tokenizer.ggml.scores", tokenizer.scores);
  file->Set("tokenizer.ggml.token_type", kinds);
  file->Set("tokenizer.ggml.add_space_prefix", tokenizer.prefix_space);
}

void SetByteBpe(const TokenizerTables& tokenizer, GgufFile* file) {
  std::vector<std::string> pieces, merges;
  std::vector<int32_t> kinds;
  for (uint32_t token = 0; token < tokenizer.pieces.size(); ++token) {
    const bool special = token == tokenizer.begin_token || token == tokenizer.end_token;
    pieces.push_back(special ? tokenizer.pieces[token] : Gpt2Characters(tokenizer.pieces[token]));
    kinds.push_back(special ? kControl : kNormal);
  }
  for (const TokenizerTables::Merge& merge : tokenizer.merges)
    merges.push_back(absl::StrCat(pieces[merge.left], " ", pieces[merge.right]));
  file->Set("tokenizer.ggml.model", "gpt2");
  file->Set("tokenizer.ggml.pre", "gpt-2");
  file->Set("tokenizer.ggml.tokens", pieces);
  file->Set("tokenizer.ggml.token_type", kinds);
  file->Set("tokenizer.ggml.merges", merges);
}

}  // namespace

std::string Gpt2Characters(std::string_view bytes) {
  static const std::array<std::string, 256>* const alphabet =
      new std::array<std::string, 256>(MakeGpt2Alphabet());
  std::string text;
  for (const char byte : bytes) text += (*alphabet)[static_cast<uint8_t>(byte)];
  return text;
}

bool HasGgufTokenizer(const TokenizerTables& tokenizer) {
  return (tokenizer.kind == TokenizerKind::kScoredMerges || tokenizer.kind == TokenizerKind::kByteBpe) &&
         tokenizer.byte_token_base != CLLM_NO_TOKEN;
}

void SetGgufTokenizer(const TokenizerTables& tokenizer, GgufFile* file) {
  if (!HasGgufTokenizer(tokenizer)) return file->Set("tokenizer.ggml.model", "no_vocab");
  if (tokenizer.kind == TokenizerKind::kScoredMerges) {
    SetScoredMerges(tokenizer, file);
  } else {
    SetByteBpe(tokenizer, file);
  }
  const std::pair<const char*, uint32_t> specials[] = {
      {"bos", tokenizer.begin_token}, {"eos", tokenizer.end_token}, {"unknown", tokenizer.unknown_token}};
  for (const auto& [name, token] : specials) {
    if (token != CLLM_NO_TOKEN) file->Set(absl::StrCat("tokenizer.ggml.", name, "_token_id"), token);
  }
  file->Set("tokenizer.ggml.add_bos_token", tokenizer.begin_token != CLLM_NO_TOKEN);
}

}  // namespace cllm
