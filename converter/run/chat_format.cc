#include "converter/run/chat_format.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "api/model_view.h"
#include "converter/tokenizer/encode_text.h"
#include "tokens/added.h"

namespace cllm {
namespace {

const std::string kBegin(1, '\0');

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

// What stands in the source between two marks, if no expression does: escapes are undone. Empty: nothing.
std::string LiteralBetween(std::string_view source, std::string_view before, std::string_view after) {
  for (size_t at = source.find(before); at != std::string_view::npos; at = source.find(before, at)) {
    at += before.size();
    const size_t end = source.find(after, at);
    if (end == std::string_view::npos) return "";
    const std::string literal(source.substr(at, end - at));
    if (literal.find_first_of("{}'\"+") == std::string::npos)
      return absl::StrReplaceAll(literal, {{"\\n", "\n"}});
  }
  return "";
}

ChatFormat ChatMl(std::string_view jinja) {
  ChatFormat format;
  format.name = "ChatML";
  format.system_prefix = "<|im_start|>system\n";
  format.system_suffix = "<|im_end|>\n";
  format.user_prefix = "<|im_start|>user\n";
  format.user_suffix = "<|im_end|>\n<|im_start|>assistant\n";
  format.answer_end = "<|im_end|>";
  format.answer_suffix.assign(1, '\n');
  format.default_system = LiteralBetween(jinja, "<|im_start|>system\\n", "<|im_end|>");
  if (!Has(jinja, "<|im_sep|>")) return format;
  format.name = "Phi-4";
  format.system_prefix = "<|im_start|>system<|im_sep|>";
  format.system_suffix = "<|im_end|>";
  format.user_prefix = "<|im_start|>user<|im_sep|>";
  format.user_suffix = "<|im_end|><|im_start|>assistant<|im_sep|>";
  format.answer_suffix.clear();
  format.default_system.clear();
  return format;
}

ChatFormat Llama3(std::string_view jinja) {
  const auto header = [](const char* role) {
    return absl::StrCat("<|start_header_id|>", role, "<|end_header_id|>\n\n");
  };
  ChatFormat format;
  format.name = "Llama 3";
  format.system_prefix = header("system");
  // Llama 3.1 and later say these dates first, and say them always.
  if (Has(jinja, "Cutting Knowledge Date: December 2023")) {
    format.name = "Llama 3.1";
    absl::StrAppend(&format.system_prefix,
                    "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
    format.default_system.clear();
  }
  format.system_suffix = "<|eot_id|>";
  format.user_prefix = header("user");
  format.user_suffix = absl::StrCat("<|eot_id|>", header("assistant"));
  format.answer_end = "<|eot_id|>";
  format.trims = Has(jinja, "trim");
  return format;
}

// Of Llama 2 and Mistral.
ChatFormat Instructions(std::string_view jinja) {
  ChatFormat format;
  const bool llama = Has(jinja, "<<SYS>>");
  format.name = llama ? "Llama 2" : "Mistral";
  format.system_in_turn = true;
  format.system_prefix = llama ? "<<SYS>>\n" : "";
  format.system_suffix = llama ? "\n<</SYS>>\n\n" : "\n\n";
  format.user_prefix = Has(jinja, "[INST] ") ? "[INST] " : "[INST]";
  format.user_suffix = Has(jinja, " [/INST]") ? " [/INST]" : "[/INST]";
  format.answer_end = "</s>";
  format.begins_each_turn = llama;
  format.trims = Has(jinja, "strip()") || Has(jinja, "trim");
  return format;
}

ChatFormat Gemma(std::string_view jinja) {
  ChatFormat format;
  format.name = "Gemma";
  format.system_in_turn = true;
  format.system_suffix = "\n\n";
  format.user_prefix = "<start_of_turn>user\n";
  format.user_suffix = "<end_of_turn>\n<start_of_turn>model\n";
  format.answer_end = "<end_of_turn>";
  format.answer_suffix.assign(1, '\n');
  format.trims = Has(jinja, "trim");
  return format;
}

// Phi-3 and Zephyr: the same but for what ends a message.
ChatFormat Roles(std::string name, const std::string& end) {
  ChatFormat format;
  format.name = std::move(name);
  format.system_prefix = "<|system|>\n";
  format.system_suffix = end + "\n";
  format.user_prefix = "<|user|>\n";
  format.user_suffix = end + "\n<|assistant|>\n";
  format.answer_end = end;
  format.answer_suffix.assign(1, '\n');
  return format;
}

std::string Words(const ChatFormat& format, const std::string& words) {
  return format.trims ? std::string(absl::StripAsciiWhitespace(words)) : words;
}

// Tokens that the format's text spells, and what lies between, which may go on in the part after it.
class Encoder {
 public:
  Encoder(const TokenizerView& tokenizer, bool is_start) : tokenizer_(tokenizer), is_start_(is_start) {}

  absl::Status Add(const ChatPart& part) {
    if (!part.is_format) {
      run_ += part.text;
      return absl::OkStatus();
    }
    for (size_t at = 0; at < part.text.size();) {
      AddedMatch match = {part.text.size(), part.text.size(), CLLM_NO_TOKEN};
      if (part.text == kBegin) {
        match = {0, 1, tokenizer_.begin_token};
      } else if (tokenizer_.added_count > 0) {
        const auto find = [&](bool late) {
          return FindAdded(tokenizer_, part.text.data(), part.text.size(), at, late, Specials::kParsed);
        };
        const AddedMatch late = find(true);
        match = find(false);
        if (late.begin < match.begin) match = late;
      }
      run_.append(part.text, at, match.begin - at);
      at = match.end;
      if (match.token == CLLM_NO_TOKEN) continue;
      if (absl::Status status = Flush(); !status.ok()) return status;
      tokens_.push_back(match.token);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<uint32_t>> Finish() {
    if (absl::Status status = Flush(); !status.ok()) return status;
    return tokens_;
  }

 private:
  absl::Status Flush() {
    if (run_.empty()) return absl::OkStatus();
    TokenizerView view = tokenizer_;
    if (view.prefix_once && !(is_start_ && tokens_.empty())) view.prefix_space = false;
    absl::StatusOr<std::vector<uint32_t>> tokens = EncodeText(view, run_);
    if (!tokens.ok()) return tokens.status();
    tokens_.insert(tokens_.end(), tokens->begin(), tokens->end());
    run_.clear();
    return absl::OkStatus();
  }

  const TokenizerView& tokenizer_;
  bool is_start_;
  std::string run_;
  std::vector<uint32_t> tokens_;
};

}  // namespace

std::optional<ChatFormat> RecogniseChatFormat(std::string_view jinja) {
  if (Has(jinja, "<|im_start|>")) return ChatMl(jinja);
  if (Has(jinja, "<|start_header_id|>")) return Llama3(jinja);
  if (Has(jinja, "[INST]") && Has(jinja, "[/INST]")) return Instructions(jinja);
  if (Has(jinja, "<start_of_turn>")) return Gemma(jinja);
  if (Has(jinja, "<|user|>") && Has(jinja, "<|end|>")) return Roles("Phi-3", "<|end|>");
  if (Has(jinja, "<|user|>") && (Has(jinja, "eos_token") || Has(jinja, "</s>")))
    return Roles("Zephyr", "</s>");
  return std::nullopt;
}

std::vector<ChatPart> ChatBeginning(const ChatFormat& format, const std::string& system) {
  const std::string& words = system.empty() ? format.default_system : system;
  const bool always = absl::StrContains(format.system_prefix, "Today Date");
  if (format.system_in_turn || (words.empty() && !always)) return {};
  return {{format.system_prefix, true}, {Words(format, words), false}, {format.system_suffix, true}};
}

std::vector<ChatPart> ChatTurnParts(const ChatFormat& format, const ChatTurn& turn) {
  std::vector<ChatPart> parts;
  if (turn.follows && turn.cut) parts.push_back({format.answer_end, true});
  if (turn.follows) parts.push_back({format.answer_suffix, true});
  if (turn.follows && format.begins_each_turn) parts.push_back({kBegin, true});
  parts.push_back({format.user_prefix, true});
  if (format.system_in_turn && !turn.system.empty()) {
    parts.push_back({format.system_prefix, true});
    parts.push_back({Words(format, turn.system), false});
    parts.push_back({format.system_suffix, true});
  }
  parts.push_back({Words(format, turn.words), false});
  parts.push_back({format.user_suffix, true});
  return parts;
}

absl::StatusOr<std::vector<uint32_t>> EncodeChat(const cllm_model& model, const std::vector<ChatPart>& parts,
                                                 bool is_start) {
  Model view;
  if (GetView(&model, &view) != CLLM_OK) return absl::InvalidArgumentError("the model is not open");
  Encoder encoder(view.tokenizer, is_start);
  for (const ChatPart& part : parts) {
    if (absl::Status status = encoder.Add(part); !status.ok()) return status;
  }
  return encoder.Finish();
}

}  // namespace cllm
