#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "converter/import/gguf.h"
#include "converter/import/hugging_face_byte_bpe.h"
#include "converter/json/json_text.h"
#include "converter/tokenizer/byte_alphabet.h"
#include "converter/tokenizer/normalizer.h"
#include "converter/tokenizer/sentencepiece.h"

namespace cllm {
namespace {

// The format's kinds of tokens.
constexpr double kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

using Strings = std::vector<std::string_view>;
using Numbers = std::vector<double>;

absl::Status Wrong(std::string_view key, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tokenizer.ggml.", std::string(key), std::string(what)));
}

std::string Key(std::string_view name) { return absl::StrCat("tokenizer.ggml.", std::string(name)); }

// Names of tokenizer.ggml.pre by what they cut words by.
struct NamedPretokenizer {
  const char* name;
  Pretokenizer pretokenizer;
};
constexpr NamedPretokenizer kPretokenizers[] = {
    {"gpt-2", Pretokenizer::kGpt2},       {"mpt", Pretokenizer::kGpt2},
    {"olmo", Pretokenizer::kGpt2},        {"phi-2", Pretokenizer::kGpt2},
    {"jina-es", Pretokenizer::kGpt2},     {"jina-de", Pretokenizer::kGpt2},
    {"trillion", Pretokenizer::kGpt2},    {"granite-docling", Pretokenizer::kGpt2},
    {"llama3", Pretokenizer::kLlama3},    {"llama-v3", Pretokenizer::kLlama3},
    {"llama-bpe", Pretokenizer::kLlama3}, {"falcon3", Pretokenizer::kLlama3},
    {"dbrx", Pretokenizer::kLlama3},      {"smaug-bpe", Pretokenizer::kLlama3},
    {"qwen2", Pretokenizer::kQwen2},      {"deepseek-r1-qwen", Pretokenizer::kQwen2},
    {"kormo", Pretokenizer::kQwen2},      {"stablelm2", Pretokenizer::kQwen2},
    {"smollm", Pretokenizer::kDigits},    {"starcoder", Pretokenizer::kDigits},
    {"refact", Pretokenizer::kDigits},    {"command-r", Pretokenizer::kDigits},
    {"exaone", Pretokenizer::kDigits},    {"codeshell", Pretokenizer::kDigits},
};

// What llama.cpp takes for the end of an answer besides the tokens that the file names so.
constexpr const char* kEnds[] = {"<|eot_id|>",      "<|eom_id|>",      "<|im_end|>",
                                 "<|end|>",         "<end_of_turn>",   "<|endoftext|>",
                                 "<|end_of_text|>", "<|endofprompt|>", "<EOT>"};

class Reader {
 public:
  explicit Reader(const GgufContents& contents) : contents_(contents) {}

  absl::StatusOr<TokenizerTables> Read() {
    const auto* model = FindGguf<std::string_view>(contents_, Key("model"));
    tokens_ = FindGguf<Strings>(contents_, Key("tokens"));
    if (model == nullptr || tokens_ == nullptr)
      return Wrong("model", " and tokens are needed, and one of them is missing");
    kinds_.assign(tokens_->size(), kNormal);
    if (const auto* kinds = FindGguf<Numbers>(contents_, Key("token_type")); kinds != nullptr)
      kinds_ = *kinds;
    if (kinds_.size() != tokens_->size())
      return Wrong("token_type", " does not have one value for each token");
    MarkAdded();
    absl::Status status =
        *model == "llama"  ? ReadScored()
        : *model == "gpt2" ? ReadByteBpe()
        : *model == "t5"
            ? ReadUnigram()
            : absl::UnimplementedError(absl::StrCat("tokenizer.ggml.model is \"", std::string(*model), "\""));
    if (status.ok()) status = ReadSpecials();
    if (!status.ok()) return status;
    if (const auto* chat = FindGguf<std::string_view>(contents_, "tokenizer.chat_template"); chat != nullptr)
      tables_.chat_template = std::string(*chat);
    return tables_;
  }

 private:
  absl::Status ReadScored() {
    const auto* scores = FindGguf<Numbers>(contents_, Key("scores"));
    if (scores == nullptr || scores->size() != tokens_->size())
      return Wrong("scores", " does not have one value for each token");
    tables_.kind = TokenizerKind::kScoredMerges;
    tables_.block_is_space = true;
    for (size_t id = 0; id < tokens_->size(); ++id) {
      tables_.pieces.push_back(WithSpaces(std::string((*tokens_)[id])));
      tables_.scores.push_back(static_cast<float>((*scores)[id]));
    }
    const bool* prefix = FindGguf<bool>(contents_, Key("add_space_prefix"));
    tables_.prefix_space = prefix == nullptr || *prefix;
    tables_.byte_token_base = ByteBase();
    if (tables_.byte_token_base == CLLM_NO_TOKEN)
      return Wrong("tokens", " has no bytes <0x00> to <0xFF> in a row");
    return absl::OkStatus();
  }

  absl::Status ReadUnigram() {
    const auto* scores = FindGguf<Numbers>(contents_, Key("scores"));
    if (scores == nullptr || scores->size() != tokens_->size())
      return Wrong("scores", " does not have one value for each token");
    tables_.kind = TokenizerKind::kUnigram;
    tables_.block_is_space = tables_.prefix_once = true;
    double least = 0;
    for (size_t id = 0; id < tokens_->size(); ++id) {
      tables_.pieces.push_back(WithSpaces(std::string((*tokens_)[id])));
      tables_.log_probabilities.push_back(kinds_[id] == kNormal ? (*scores)[id] : kNeverFound);
      if (kinds_[id] == kNormal) least = std::min(least, (*scores)[id]);
    }
    tables_.log_probabilities.push_back(least + kUnknownPenalty);
    const bool* prefix = FindGguf<bool>(contents_, Key("add_space_prefix"));
    const bool* squeeze = FindGguf<bool>(contents_, Key("remove_extra_whitespaces"));
    tables_.prefix_space = prefix != nullptr && *prefix;
    tables_.squeeze_spaces = squeeze != nullptr && *squeeze;
    tables_.byte_token_base = ByteBase();
    const auto* map = FindGguf<Numbers>(contents_, Key("precompiled_charsmap"));
    if (map == nullptr || map->empty()) return absl::OkStatus();
    std::string bytes;
    for (const double byte : *map) bytes += static_cast<char>(static_cast<int>(byte));
    nlohmann::json steps = nlohmann::json::array();
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", absl::Base64Escape(bytes)}});
    tables_.normalizer = JsonText(steps);
    tables_.text_form = TextFormOf(steps);
    return Normalizer::FromSteps(steps).status();
  }

  // The id of <0x00> if 256 tokens in a row are the bytes.
  uint32_t ByteBase() const {
    uint32_t base = 0;
    while (base < tokens_->size() && (*tokens_)[base] != "<0x00>") ++base;
    if (base + size_t{256} > tokens_->size()) return CLLM_NO_TOKEN;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      if (kinds_[base + byte] != kByte || (*tokens_)[base + byte] != BytePiece(byte)) return CLLM_NO_TOKEN;
    }
    return base;
  }

  absl::Status ReadByteBpe() {
    const auto* pre = FindGguf<std::string_view>(contents_, Key("pre"));
    const std::string name(pre == nullptr ? "default" : *pre);
    tables_.kind = TokenizerKind::kByteBpe;
    bool known = false;
    for (const NamedPretokenizer& each : kPretokenizers) {
      if (name != each.name) continue;
      tables_.pretokenizer = each.pretokenizer;
      known = true;
    }
    if (!known)
      return absl::UnimplementedError(
          absl::StrCat("tokenizer.ggml.pre is \"", name, "\", which is none of the known ways to cut words"));
    for (size_t id = 0; id < tokens_->size(); ++id) {
      const std::string token((*tokens_)[id]);
      const bool spelled = kinds_[id] == kNormal;  // the others stand as they are
      tables_.pieces.push_back(kinds_[id] == kUnused ? ""
                               : spelled             ? Gpt2Bytes(token).value_or(token)
                                                     : token);
    }
    if (absl::Status status = ReadMerges(); !status.ok()) return status;
    SetByteTokens(&tables_);
    if (tables_.pretokenizer != Pretokenizer::kLlama3) return absl::OkStatus();
    absl::StatusOr<std::vector<uint32_t>> words = WordsBeyondMerges(tables_);
    if (!words.ok()) return words.status();
    tables_.words = *std::move(words);
    return absl::OkStatus();
  }

  absl::Status ReadMerges() {
    const auto* merges = FindGguf<Strings>(contents_, Key("merges"));
    if (merges == nullptr) return Wrong("merges", " is missing");
    std::unordered_map<std::string, uint32_t> ids;
    for (uint32_t id = 0; id < tokens_->size(); ++id) ids.emplace((*tokens_)[id], id);
    for (const std::string_view merge : *merges) {
      const size_t space = merge.find(' ', 1);
      const std::string left(merge.substr(0, space)),
          right(space < merge.size() ? merge.substr(space + 1) : "");
      const auto a = ids.find(left), b = ids.find(right), result = ids.find(left + right);
      if (a == ids.end() || b == ids.end() || result == ids.end())
        return Wrong("merges", absl::StrCat(": number ", tables_.merges.size(), ", '", std::string(merge),
                                            "', names a piece that is no token"));
      tables_.merges.push_back({a->second, b->second, result->second});
    }
    return absl::OkStatus();
  }

  void MarkAdded() {
    for (uint32_t id = 0; id < tokens_->size(); ++id) {
      if ((*tokens_)[id].empty()) continue;
      if (kinds_[id] == kControl || kinds_[id] == kUnknown) tables_.added[id] = AddedToken::kControl;
      if (kinds_[id] == kUserDefined) tables_.added[id] = 0;
    }
  }

  // The id under a key, or CLLM_NO_TOKEN where there is none.
  absl::Status TakeId(std::string_view key, uint32_t* id) const {
    const auto* stored = FindGguf<uint64_t>(contents_, Key(key));
    *id = CLLM_NO_TOKEN;
    if (stored == nullptr) return absl::OkStatus();
    if (*stored >= tokens_->size())
      return Wrong(key, absl::StrCat(" is ", *stored, ", beyond the vocabulary of ", tokens_->size()));
    *id = static_cast<uint32_t>(*stored);
    return absl::OkStatus();
  }

  absl::Status ReadSpecials() {
    uint32_t turn = CLLM_NO_TOKEN, message = CLLM_NO_TOKEN;
    const std::pair<const char*, uint32_t*> ids[] = {{"bos_token_id", &tables_.begin_token},
                                                     {"eos_token_id", &tables_.end_token},
                                                     {"unknown_token_id", &tables_.unknown_token},
                                                     {"eot_token_id", &turn},
                                                     {"eom_token_id", &message}};
    for (const auto& [key, id] : ids) {
      if (absl::Status status = TakeId(key, id); !status.ok()) return status;
    }
    for (auto& [id, flags] : tables_.added) {
      bool ends = id == turn || id == message;
      for (const char* name : kEnds)
        ends = ends || ((flags & AddedToken::kControl) != 0 && (*tokens_)[id] == name);
      if (ends) flags |= AddedToken::kEnds;
    }
    const bool* begin = FindGguf<bool>(contents_, Key("add_bos_token"));
    const bool by_default =
        tables_.kind == TokenizerKind::kScoredMerges || tables_.pretokenizer == Pretokenizer::kLlama3;
    if (begin == nullptr ? !by_default : !*begin) tables_.begin_token = CLLM_NO_TOKEN;
    return absl::OkStatus();
  }

  const GgufContents& contents_;
  const Strings* tokens_ = nullptr;
  Numbers kinds_;
  TokenizerTables tables_;
};

}  // namespace

absl::StatusOr<TokenizerTables> ImportGgufTokenizer(const GgufContents& contents) {
  return Reader(contents).Read();
}

}  // namespace cllm
