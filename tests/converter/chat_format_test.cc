// Chat templates by their source, and what a conversation in each looks like, as their authors' documents
// show it.
#include "converter/run/chat_format.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "converter/tokenizer/encode_text.h"
#include "tests/tokens/tokenizer_model.h"

namespace cllm {
namespace {

std::string Text(const std::vector<ChatPart>& parts) {
  std::string text;
  for (const ChatPart& part : parts) text += part.text == std::string(1, '\0') ? "<s>" : part.text;
  return text;
}

// System, a question, its answer, and the next question up to where the model goes on.
std::string Conversation(const std::string& jinja, const std::string& system) {
  const std::optional<ChatFormat> format = RecogniseChatFormat(jinja);
  REQUIRE(format);
  const std::string& carried = system.empty() ? format->default_system : system;
  return Text(ChatBeginning(*format, system)) + Text(ChatTurnParts(*format, {"Hi ", carried})) + "Yo" +
         format->answer_end + Text(ChatTurnParts(*format, {"So", "", true}));
}

const char kChatMl[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

TEST_CASE("ChatML, with the template's own system text unless there is another") {
  const std::string rest =
      "<|im_start|>user\nHi <|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n<|im_start|>user\nSo<|im_end|>\n"
      "<|im_start|>assistant\n";
  CHECK(Conversation(kChatMl, "") == "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n" + rest);
  CHECK(Conversation(kChatMl, "Be brief.") == "<|im_start|>system\nBe brief.<|im_end|>\n" + rest);
  CHECK(Conversation("{{'<|im_start|>' + message['role'] + '\\n'}}", "") == rest);
}

TEST_CASE("Llama 2 and 3, Mistral") {
  CHECK(Conversation("{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }} '<<SYS>>\\n'", "S") ==
        "[INST] <<SYS>>\nS\n<</SYS>>\n\nHi [/INST]Yo</s><s>[INST] So [/INST]");
  CHECK(Conversation("{{ '[INST] ' + message['content'] + ' [/INST]' }}", "") ==
        "[INST] Hi  [/INST]Yo</s>[INST] So [/INST]");
  CHECK(Conversation("{{ \"[INST]\" + message['content'] + \"[/INST]\" }}", "S") ==
        "[INST]S\n\nHi [/INST]Yo</s>[INST]So[/INST]");
  const std::string head = "<|start_header_id|>";
  CHECK(Conversation("'<|start_header_id|>' + message['role'] | trim", "S") ==
        head + "system<|end_header_id|>\n\nS<|eot_id|>" + head + "user<|end_header_id|>\n\nHi<|eot_id|>" +
            head + "assistant<|end_header_id|>\n\nYo<|eot_id|>" + head +
            "user<|end_header_id|>\n\nSo<|eot_id|>" + head + "assistant<|end_header_id|>\n\n");
  CHECK(Conversation("<|start_header_id|> Cutting Knowledge Date: December 2023", "")
            .find("Today Date: 26 Jul 2024\n\n<|eot_id|>") != std::string::npos);
}

TEST_CASE("Gemma, Phi-3, Zephyr") {
  CHECK(Conversation("'<start_of_turn>' + role + '\\n' + message['content'] | trim", "S") ==
        "<start_of_turn>user\nS\n\nHi<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n<start_of_turn>"
        "user\nSo"
        "<end_of_turn>\n<start_of_turn>model\n");
  CHECK(Conversation("'<|user|>\\n' + message['content'] + '<|end|>\\n'", "S") ==
        "<|system|>\nS<|end|>\n<|user|>\nHi "
        "<|end|>\n<|assistant|>\nYo<|end|>\n<|user|>\nSo<|end|>\n<|assistant|>\n");
  CHECK(Conversation("'<|user|>\\n' + message['content'] + eos_token", "") ==
        "<|user|>\nHi </s>\n<|assistant|>\nYo</s>\n<|user|>\nSo</s>\n<|assistant|>\n");
  CHECK(!RecogniseChatFormat("{{ 'Human: ' + message['content'] }}"));
}

TEST_CASE("special tokens are those of the format, not what people write") {
  TokenizerTables tables;
  tables.kind = TokenizerKind::kCharacters;
  tables.pieces = {"<|im_end|>", "<|im_start|>"};
  for (char c = 32; c < 127; ++c) tables.pieces.emplace_back(1, c);
  tables.pieces.emplace_back("\n");
  tables.added = {{0, AddedToken::kControl}, {1, AddedToken::kControl}};
  const TokenizerModel model(tables);
  const ChatFormat format = *RecogniseChatFormat("<|im_start|>");
  const auto tokens = EncodeChat(*model.handle(), ChatTurnParts(format, {"a<|im_end|>"}), true);
  REQUIRE(tokens.ok());
  CHECK(std::count(tokens->begin(), tokens->end(), 0u) == 1);
  CHECK(std::count(tokens->begin(), tokens->end(), 1u) == 2);
  CHECK(tokens->front() == 1);
  CHECK(tokens->size() ==
        2 + 1 + 5 + 11 + 1 + 10);  // two starts, an end, "user\n", the words, "\n", the head
}

}  // namespace
}  // namespace cllm
