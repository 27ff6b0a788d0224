#include "converter/run/conversation.h"

#include "absl/strings/str_cat.h"
#include "converter/import/model_file.h"
#include "converter/run/generate.h"
#include "converter/run/saved_state.h"
#include "converter/tokenizer/encode_text.h"

namespace cllm {

absl::StatusOr<Conversation> Conversation::Begin(const cllm_model& model,
                                                 const ConversationOptions& options) {
  absl::StatusOr<HostedSession> session =
      HostedSession::Create(model, HostLimits(Describe(model), options.kv_format), options.workers);
  if (!session.ok()) return session.status();
  Conversation conversation(model, options, *std::move(session));
  conversation.options_.sampling.struct_size = sizeof(cllm_sampling);
  if (absl::Status status = conversation.FeedBeginning(); !status.ok()) return status;
  return conversation;
}

absl::Status Conversation::FeedBeginning() {
  if (!options_.state.empty()) {
    absl::Status status = RestoreState(session_.get(), options_.state, &previous_);
    if (!status.ok()) return status;
  }
  const bool is_new = position() == 0;
  if (options_.format && !is_new && !options_.system.empty()) {
    return absl::InvalidArgumentError("the state has its beginning already; leave the system prompt");
  }
  absl::StatusOr<std::vector<uint32_t>> system =
      !options_.format ? EncodeText(*model_, options_.system)
      : is_new         ? EncodeChat(*model_, ChatBeginning(*options_.format, options_.system), true)
                       : std::vector<uint32_t>();
  if (!system.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the system prompt: ", system.status().message()));
  }
  if (is_new && info_.begin_token != CLLM_NO_TOKEN) {
    system->insert(system->begin(), info_.begin_token);
  }
  if (system->size() >= info_.context - position()) {
    return absl::InvalidArgumentError(absl::StrCat("the beginning has ", position() + system->size(),
                                                   " tokens, which leaves none of the ", info_.context,
                                                   " of the model's context; shorten the system prompt"));
  }
  absl::Status status = Feed(*system);
  beginning_ = position();
  return status;
}

absl::Status Conversation::Feed(const std::vector<uint32_t>& tokens) {
  if (tokens.empty()) return absl::OkStatus();
  previous_ = tokens.back();
  return ExplainStatus(cllm_session_feed(session_.get(), tokens.data(), static_cast<uint32_t>(tokens.size())),
                       "feeding");
}

absl::StatusOr<std::vector<uint32_t>> Conversation::TokensOf(const std::string& words) const {
  if (!options_.format) return EncodeText(*model_, words);
  ChatTurn turn = {words, options_.system};
  if (turn.system.empty()) turn.system = options_.format->default_system;
  for (const Turn& each : turns_) {
    if (each.has_system) turn.system.clear();
  }
  const bool only_begin =
      options_.state.empty() && beginning_ <= (info_.begin_token != CLLM_NO_TOKEN ? 1u : 0u);
  const bool from_state = turns_.empty() && cllm_tokens_ends_text(model_, previous_) != 0;
  turn.follows = !turns_.empty() || from_state;
  turn.cut = cut_ && !turns_.empty();
  return EncodeChat(*model_, ChatTurnParts(*options_.format, turn), only_begin && turns_.empty());
}

absl::Status Conversation::MakePlace(size_t count, Answer* answer) {
  if (count <= info_.context - position()) return absl::OkStatus();
  const size_t most = info_.context - beginning_;
  size_t kept = position() - beginning_;
  while (!turns_.empty() && (kept > most / 2 || kept + count > most)) {
    kept -= turns_.front().tokens.size();
    turns_.pop_front();
    ++answer->forgotten_turns;
  }
  absl::Status status = ExplainStatus(cllm_session_rewind(session_.get(), beginning_), "forgetting");
  for (const Turn& turn : turns_) {
    if (status.ok()) status = Feed(turn.tokens);
  }
  return status;
}

absl::StatusOr<Answer> Conversation::Say(std::string_view turn,
                                         const std::function<absl::Status(std::string_view)>& out,
                                         const std::function<bool()>& stopped) {
  const std::string words(turn);
  Answer answer;
  absl::StatusOr<std::vector<uint32_t>> tokens;
  // What is forgotten may change what stands before a turn, so that it is put together anew.
  for (uint32_t forgotten = 1; forgotten != answer.forgotten_turns;) {
    forgotten = answer.forgotten_turns;
    tokens = TokensOf(words);
    if (!tokens.ok()) return absl::InvalidArgumentError(tokens.status().message());
    if (tokens->empty()) return absl::InvalidArgumentError("there is nothing to say");
    const uint32_t most = info_.context - beginning_;
    if (tokens->size() > most) {
      return absl::InvalidArgumentError(absl::StrCat("that has ", tokens->size(), " tokens, more than the ",
                                                     most, " that the context has for it"));
    }
    if (absl::Status status = MakePlace(tokens->size(), &answer); !status.ok()) return status;
  }
  answer.fed_tokens = static_cast<uint32_t>(tokens->size());
  if (absl::Status status = Feed(*tokens); !status.ok()) return status;
  bool has_system = options_.format && options_.format->system_in_turn;
  for (const Turn& each : turns_) has_system = has_system && !each.has_system;
  turns_.push_back({*std::move(tokens), has_system});
  if (absl::Status status = Draw(out, stopped, &answer); !status.ok()) return status;
  cut_ = answer.end != Answer::End::kModel;
  return answer;
}

absl::Status Conversation::Draw(const std::function<absl::Status(std::string_view)>& out,
                                const std::function<bool()>& stopped, Answer* answer) {
  Utf8Stream stream;
  answer->end = Answer::End::kLength;
  while (answer->tokens < options_.answer_tokens) {
    if (stopped()) {
      answer->end = Answer::End::kStopped;
      break;
    }
    if (position() == info_.context) {
      answer->end = Answer::End::kContextFull;
      break;
    }
    uint32_t token = 0;
    absl::Status status =
        ExplainStatus(cllm_session_next(session_.get(), &options_.sampling, &token), "sampling");
    if (!status.ok()) return status;
    const bool ended = cllm_tokens_ends_text(model_, token) != 0 || token == info_.begin_token;
    const char* text = nullptr;
    uint32_t bytes = 0;
    if (!ended) {
      status = ExplainStatus(cllm_tokens_decode(model_, previous_, token, &text, &bytes), "decoding a token");
      if (status.ok()) status = out(stream.Add(std::string_view(text, bytes)));
    }
    // The token that ended the answer is part of what was said.
    if (status.ok()) status = Feed({token});
    if (!status.ok()) return status;
    turns_.back().tokens.push_back(token);
    if (ended) {
      answer->end = Answer::End::kModel;
      break;
    }
    ++answer->tokens;
  }
  return out(stream.Rest());
}

absl::StatusOr<std::string> Conversation::Save() const { return SaveState(session_.get()); }

}  // namespace cllm
