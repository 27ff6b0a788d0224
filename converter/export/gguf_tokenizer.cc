#include "converter/export/gguf_tokenizer.h"

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/byte_alphabet.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

// The format's kinds of tokens.
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

bool IsByte(const TokenizerTables& tokenizer, uint32_t token) {
  return tokenizer.byte_token_base != CLLM_NO_TOKEN && token >= tokenizer.byte_token_base &&
         token - tokenizer.byte_token_base < 256;
}

int32_t KindOf(const TokenizerTables& tokenizer, uint32_t token) {
  const auto added = tokenizer.added.find(token);
  if (added != tokenizer.added.end())
    return (added->second & AddedToken::kControl) != 0 ? kControl : kUserDefined;
  return token == tokenizer.begin_token || token == tokenizer.end_token ? kControl : kNormal;
}

void SetScoredMerges(const TokenizerTables& tokenizer, GgufFile* file) {
  std::vector<std::string> pieces;
  std::vector<int32_t> kinds;
  for (uint32_t token = 0; token < tokenizer.pieces.size(); ++token) {
    const bool added = tokenizer.added.contains(token);
    if (!added && (token == tokenizer.begin_token || token == tokenizer.end_token)) {
      pieces.emplace_back(token == tokenizer.begin_token ? "<s>" : "</s>");
      kinds.push_back(kControl);
    } else if (token == tokenizer.unknown_token) {
      pieces.emplace_back(added ? tokenizer.pieces[token] : "<unk>");
      kinds.push_back(kUnknown);
    } else if (IsByte(tokenizer, token)) {
      pieces.push_back(BytePiece(token - tokenizer.byte_token_base));
      kinds.push_back(kByte);
    } else if (added) {
      pieces.push_back(tokenizer.pieces[token]);
      kinds.push_back(KindOf(tokenizer, token));
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

// The map of characters, where the normalizer is nothing else; "" where there is no normalizer.
std::optional<std::string> CharsMapOf(const TokenizerTables& tokenizer) {
  if (tokenizer.normalizer.empty()) return "";
  const nlohmann::json steps = ParseJson(tokenizer.normalizer);
  std::string map;
  if (!steps.is_array() || steps.size() != 1 || steps[0].value("type", "") != "Precompiled" ||
      steps[0].contains("kept") || !absl::Base64Unescape(steps[0].value("precompiled_charsmap", ""), &map))
    return std::nullopt;
  return map;
}

// Words are encoded one by one there, too, where no piece goes on behind a space.
bool HasUnigram(const TokenizerTables& tokenizer) {
  bool inner_space = false;
  for (const std::string& piece : tokenizer.pieces)
    inner_space = inner_space || piece.find(' ', 1) != std::string::npos;
  const bool whole = tokenizer.pretokenizer == Pretokenizer::kWhole || !inner_space;
  const bool spaces = !tokenizer.prefix_unless_space || tokenizer.squeeze_spaces;
  return whole && spaces && CharsMapOf(tokenizer).has_value();
}

void SetUnigram(const TokenizerTables& tokenizer, GgufFile* file) {
  std::vector<std::string> pieces;
  std::vector<int32_t> kinds;
  std::vector<float> scores;
  for (uint32_t token = 0; token < tokenizer.pieces.size(); ++token) {
    const std::string& piece = tokenizer.pieces[token];
    const bool found = tokenizer.log_probabilities[token] > kNeverFound;
    const int32_t kind = token == tokenizer.unknown_token                        ? kUnknown
                         : IsByte(tokenizer, token)                              ? kByte
                         : !piece.empty() && KindOf(tokenizer, token) != kNormal ? KindOf(tokenizer, token)
                         : found && !piece.empty()                               ? kNormal
                                                                                 : kUnused;
    pieces.push_back(piece.empty()     ? absl::StrCat("[PAD", token, "]")
                     : kind == kByte   ? BytePiece(token - tokenizer.byte_token_base)
                     : kind == kNormal ? absl::StrReplaceAll(piece, {{" ", kSpacePiece}})
                                       : piece);
    kinds.push_back(kind);
    scores.push_back(kind == kNormal ? static_cast<float>(tokenizer.log_probabilities[token]) : 0.0f);
  }
  file->Set("tokenizer.ggml.model", "t5");
  file->Set("tokenizer.ggml.tokens", pieces);
  file->Set("tokenizer.ggml.scores", scores);
  file->Set("tokenizer.ggml.token_type", kinds);
  file->Set("tokenizer.ggml.add_space_prefix", tokenizer.prefix_space);
  file->Set("tokenizer.ggml.remove_extra_whitespaces", tokenizer.squeeze_spaces);
  const std::string map = CharsMapOf(tokenizer).value_or("");
  if (!map.empty())
    file->Set("tokenizer.ggml.precompiled_charsmap", std::vector<uint8_t>(map.begin(), map.end()));
}

// What the format calls the way words are cut; its nearest for our own.
const char* PretokenizerName(Pretokenizer pretokenizer) {
  switch (pretokenizer) {
    case Pretokenizer::kLlama3: return "llama-bpe";
    case Pretokenizer::kQwen2: return "qwen2";
    case Pretokenizer::kDigits: return "smollm";
    default: return "gpt-2";
  }
}

void SetByteBpe(const TokenizerTables& tokenizer, GgufFile* file) {
  std::vector<std::string> pieces, merges;
  std::vector<int32_t> kinds;
  for (uint32_t token = 0; token < tokenizer.pieces.size(); ++token) {
    const int32_t kind = KindOf(tokenizer, token);
    const std::string& piece = tokenizer.pieces[token];
    // Rows that pad the vocabulary have no piece, and the format no token without a spelling of its own.
    pieces.push_back(piece.empty()     ? absl::StrCat("[PAD", token, "]")
                     : kind != kNormal ? piece
                                       : Gpt2Characters(piece));
    kinds.push_back(piece.empty() ? kUnused : kind);
  }
  for (const TokenizerTables::Merge& merge : tokenizer.merges)
    merges.push_back(absl::StrCat(pieces[merge.left], " ", pieces[merge.right]));
  file->Set("tokenizer.ggml.model", "gpt2");
  file->Set("tokenizer.ggml.pre", PretokenizerName(tokenizer.pretokenizer));
  file->Set("tokenizer.ggml.tokens", pieces);
  file->Set("tokenizer.ggml.token_type", kinds);
  file->Set("tokenizer.ggml.merges", merges);
}

}  // namespace

bool HasGgufTokenizer(const TokenizerTables& tokenizer) {
  if (tokenizer.kind == TokenizerKind::kByteBpe) return tokenizer.pretokenizer != Pretokenizer::kSpaces;
  if (tokenizer.kind == TokenizerKind::kUnigram) return HasUnigram(tokenizer);
  return tokenizer.kind == TokenizerKind::kScoredMerges && tokenizer.byte_token_base != CLLM_NO_TOKEN &&
         tokenizer.pretokenizer == Pretokenizer::kWhole;
}

void SetGgufTokenizer(const TokenizerTables& tokenizer, GgufFile* file) {
  if (!HasGgufTokenizer(tokenizer)) return file->Set("tokenizer.ggml.model", "no_vocab");
  if (tokenizer.kind == TokenizerKind::kScoredMerges) {
    SetScoredMerges(tokenizer, file);
  } else if (tokenizer.kind == TokenizerKind::kUnigram) {
    SetUnigram(tokenizer, file);
  } else {
    SetByteBpe(tokenizer, file);
  }
  const std::pair<const char*, uint32_t> specials[] = {
      {"bos", tokenizer.begin_token}, {"eos", tokenizer.end_token}, {"unknown", tokenizer.unknown_token}};
  for (const auto& [name, token] : specials) {
    if (token != CLLM_NO_TOKEN) file->Set(absl::StrCat("tokenizer.ggml.", name, "_token_id"), token);
  }
  for (const auto& [token, flags] : tokenizer.added) {
    if ((flags & AddedToken::kEnds) == 0 || token == tokenizer.end_token) continue;
    file->Set("tokenizer.ggml.eot_token_id", token);
    break;
  }
  if (!tokenizer.chat_template.empty()) file->Set("tokenizer.chat_template", tokenizer.chat_template);
  file->Set("tokenizer.ggml.add_bos_token", tokenizer.begin_token != CLLM_NO_TOKEN);
}

}  // namespace cllm
