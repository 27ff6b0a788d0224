// Room: converter/run. How a model was taught to converse: what stands around a person's words. Known
// families are told by the source of their Jinja template, which is not run.
#ifndef CLLM_CONVERTER_RUN_CHAT_FORMAT_H_
#define CLLM_CONVERTER_RUN_CHAT_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"

namespace cllm {

struct ChatFormat {
  std::string name;
  std::string system_prefix, system_suffix;  // around the system's text
  bool system_in_turn = false;               // it stands in the first turn, behind user_prefix
  std::string default_system;                // what the template says where nobody says anything
  std::string user_prefix, user_suffix;      // the suffix ends where the answer begins
  std::string answer_end;                    // the special token that ends an answer
  std::string answer_suffix;                 // what follows it
  bool begins_each_turn = false;             // with the begin token
  bool trims = false;                        // whitespace around what people say
};

// ChatML (Qwen, SmolLM and others), Llama 2, Llama 3, Mistral, Gemma, Phi-3, Phi-4, Zephyr (TinyLlama);
// nothing for others.
std::optional<ChatFormat> RecogniseChatFormat(std::string_view jinja);

// A part of a conversation as text: the format's own, where special tokens are meant, or a person's, where
// they are not.
struct ChatPart {
  std::string text;
  bool is_format;
};

// What comes before all turns; empty where the system's text stands in a turn.
std::vector<ChatPart> ChatBeginning(const ChatFormat& format, const std::string& system);

// A turn. `system` is for one that is to carry it. After a turn before, `follows`; whose answer may have been
// cut before its end, `cut`.
struct ChatTurn {
  std::string words{};
  std::string system{};
  bool follows = false;
  bool cut = false;
};
std::vector<ChatPart> ChatTurnParts(const ChatFormat& format, const ChatTurn& turn);

// Tokens of the parts put together. `is_start`: nothing but the begin token stands before them. Where the
// format begins each turn with the begin token, its place is a part of the text "\0" of the format's own.
absl::StatusOr<std::vector<uint32_t>> EncodeChat(const cllm_model& model, const std::vector<ChatPart>& parts,
                                                 bool is_start);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_CHAT_FORMAT_H_
