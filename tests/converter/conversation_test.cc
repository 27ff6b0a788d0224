#include "converter/run/conversation.h"

#include <doctest/doctest.h>

#include <cstring>
#include <optional>

#include "converter/import/model_file.h"
#include "converter/tokenizer/encode_text.h"
#include "support/file_tools.h"
#include "support/letter_model.h"

namespace cllm {
namespace {

using testing::TemporaryDirectory;

// Of 48 tokens of context, a character each.
struct Letters {
  explicit Letters(bool with_begin_token = true) {
    absl::StatusOr<ModelFile> opened =
        ModelFile::Open(testing::WriteLetterModel(folder.path(), Dtype::kI8, with_begin_token));
    REQUIRE(opened.ok());
    file.emplace(*std::move(opened));
  }
  const cllm_model& model() const { return *file->handle(); }
  Conversation Begin(const ConversationOptions& options) const {
    absl::StatusOr<Conversation> conversation = Conversation::Begin(model(), options);
    REQUIRE(conversation.ok());
    return *std::move(conversation);
  }
  TemporaryDirectory folder;
  std::optional<ModelFile> file;
};

struct Said {
  Answer answer;
  std::string text;
};

Said Say(Conversation* conversation, const std::string& turn, uint32_t stop_after = 1000) {
  Said said;
  uint32_t asked = 0;
  const auto out = [&](std::string_view piece) {
    said.text += piece;
    return absl::OkStatus();
  };
  absl::StatusOr<Answer> answer = conversation->Say(turn, out, [&] { return asked++ >= stop_after; });
  REQUIRE(answer.ok());
  said.answer = *answer;
  return said;
}

// The tokens that the session holds, by its state (schemas/STATE.md).
std::vector<uint32_t> Held(const Conversation& conversation) {
  const std::string state = *conversation.Save();
  std::vector<uint32_t> tokens(conversation.position());
  std::memcpy(tokens.data(), state.data() + 128, tokens.size() * sizeof(uint32_t));
  return tokens;
}

TEST_CASE("turns and answers follow one another in one session") {
  const Letters letters;
  ConversationOptions options;
  options.system = "Hi. ";
  options.answer_tokens = 6;
  options.sampling.temperature = 1;
  Conversation conversation = letters.Begin(options);
  CHECK(conversation.position() == 5);
  const Said first = Say(&conversation, "abc"), second = Say(&conversation, "dog");
  const std::vector<uint32_t> held = Held(conversation);
  CHECK(held.size() == 5 + 3 + 3 + first.answer.tokens + second.answer.tokens +
                           (first.answer.end == Answer::End::kModel) +
                           (second.answer.end == Answer::End::kModel));
  std::vector<uint32_t> begun = *EncodeText(letters.model(), "Hi. abc");
  begun.insert(begun.begin(), Describe(letters.model()).begin_token);
  CHECK(std::equal(begun.begin(), begun.end(), held.begin()));

  // The same words and seed, the same answers; and after a saved state as before it.
  Conversation again = letters.Begin(options);
  CHECK(Say(&again, "abc").text == first.text);
  const std::string state = *again.Save();
  CHECK(Say(&again, "dog").text == second.text);
  options.system = "";
  options.state = state;
  Conversation later = letters.Begin(options);
  CHECK(Say(&later, "dog").text == second.text);
}

TEST_CASE("where the context ends the answer does, and the next turn makes the oldest forgotten") {
  const Letters letters(false);  // its answers have no end of their own
  ConversationOptions options;
  options.system = "Hi. ";
  options.answer_tokens = 1000;
  Conversation conversation = letters.Begin(options);
  const std::vector<uint32_t> beginning = *EncodeText(letters.model(), "Hi. dogs ");
  uint32_t forgotten = 0;
  for (int i = 0; i < 12; ++i) {
    forgotten += Say(&conversation, "dogs ", 7).answer.forgotten_turns;
    CHECK(conversation.position() <= 48);
    const std::vector<uint32_t> held = Held(conversation);
    CHECK(std::equal(beginning.begin(), beginning.end(), held.begin()));
  }
  CHECK(forgotten >= 8);
  CHECK(Say(&conversation, "a").answer.end == Answer::End::kContextFull);
  CHECK(conversation.position() == 48);

  // What is held after forgetting is what a conversation of these tokens alone would hold, to the bit.
  const Said last = Say(&conversation, "dogs ", 3);
  CHECK(last.answer.forgotten_turns > 0);
  const std::vector<uint32_t> held = Held(conversation);
  absl::StatusOr<HostedSession> fresh = HostedSession::Create(letters.model(), cllm_limits{}, nullptr);
  REQUIRE(fresh.ok());
  REQUIRE(cllm_session_feed(fresh->get(), held.data(), static_cast<uint32_t>(held.size())) == CLLM_OK);
  std::string state(conversation.Save()->size(), '\0');
  REQUIRE(cllm_session_save(fresh->get(), 0, state.data(), state.size()) == CLLM_OK);
  CHECK(state == *conversation.Save());
}

TEST_CASE("stopping, the length of an answer, and turns that cannot be said") {
  const Letters letters(false);
  ConversationOptions options;
  options.answer_tokens = 4;
  Conversation conversation = letters.Begin(options);
  CHECK(conversation.position() == 0);
  const Said stopped = Say(&conversation, "abc", 2);
  CHECK(stopped.answer.tokens <= 2);
  CHECK(conversation.position() >= 5);
  const auto nothing = [](std::string_view) { return absl::OkStatus(); };
  const auto never = [] { return false; };
  const std::vector<uint32_t> before = Held(conversation);
  for (const std::string& turn : {std::string("7"), std::string(), std::string(49, 'a')}) {
    CHECK(absl::IsInvalidArgument(conversation.Say(turn, nothing, never).status()));
    CHECK(Held(conversation) == before);
  }
  CHECK(Say(&conversation, std::string(48, 'a')).answer.forgotten_turns == 1);
  CHECK(conversation.position() == 48);
  options.system = std::string(48, 'a');
  CHECK(absl::IsInvalidArgument(Conversation::Begin(letters.model(), options).status()));
}

}  // namespace
}  // namespace cllm
