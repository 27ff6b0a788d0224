// Room: converter/run. A conversation with a model: one session that turns and answers are appended to, and
// that forgets its oldest turns where the context ends.
#ifndef CLLM_CONVERTER_RUN_CONVERSATION_H_
#define CLLM_CONVERTER_RUN_CONVERSATION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/run/chat_format.h"
#include "converter/run/hosted_session.h"

namespace cllm {

struct ConversationOptions {
  std::string system;                // stays at the beginning, however much is forgotten
  std::optional<ChatFormat> format;  // how turns are put to the model; none: as they are
  std::string_view state;            // a saved state to go on from, which stays likewise; empty: none
  uint32_t answer_tokens = 256;
  cllm_sampling sampling{};  // struct_size need not be set
  cllm_kv_format kv_format = CLLM_KV_F32;
  const cllm_workers* workers = nullptr;
};

struct Answer {
  enum class End { kModel, kLength, kContextFull, kStopped };
  End end = End::kModel;
  uint32_t fed_tokens = 0;       // of the turn
  uint32_t tokens = 0;           // of the answer
  uint32_t forgotten_turns = 0;  // to make place for this one
};

class Conversation {
 public:
  // Feeds the state, or the model's begin token if it has one, and `system`. The model's bytes must outlive
  // the conversation. Errors: InvalidArgument, ResourceExhausted.
  static absl::StatusOr<Conversation> Begin(const cllm_model& model, const ConversationOptions& options);

  // Appends the turn and draws the answer, up to the token that ends it, answer_tokens, the end of the
  // context or until `stopped`, which is asked before each token. Answer pieces go out as they come, in whole
  // characters. A turn that does not fit makes the session forget its oldest turns with their answers, until
  // half of what is not the beginning is free. Nothing changes on InvalidArgument: the turn cannot be
  // encoded, or is longer than all that the beginning leaves. Errors also: what `out` returns.
  absl::StatusOr<Answer> Say(std::string_view turn, const std::function<absl::Status(std::string_view)>& out,
                             const std::function<bool()>& stopped);

  absl::StatusOr<std::string> Save() const;

  uint32_t position() const { return cllm_session_position(session_.get()); }
  uint32_t context() const { return info_.context; }

 private:
  Conversation(const cllm_model& model, const ConversationOptions& options, HostedSession session)
      : model_(&model), options_(options), info_(Describe(model)), session_(std::move(session)) {}

  absl::Status Feed(const std::vector<uint32_t>& tokens);
  absl::Status FeedBeginning();
  absl::StatusOr<std::vector<uint32_t>> TokensOf(const std::string& words) const;
  absl::Status MakePlace(size_t count, Answer* answer);
  absl::Status Draw(const std::function<absl::Status(std::string_view)>& out,
                    const std::function<bool()>& stopped, Answer* answer);

  const cllm_model* model_;
  ConversationOptions options_;
  cllm_model_info info_;
  HostedSession session_;
  uint32_t beginning_ = 0;  // tokens that are never forgotten
  struct Turn {
    std::vector<uint32_t> tokens;  // with its answer's
    bool has_system;
  };
  std::deque<Turn> turns_;             // after them
  bool cut_ = false;                   // the last answer did not end by itself
  uint32_t previous_ = CLLM_NO_TOKEN;  // the last token fed
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_CONVERSATION_H_
