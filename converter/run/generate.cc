#include "converter/run/generate.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "converter/import/model_file.h"
#include "converter/run/hosted_session.h"
#include "converter/run/saved_state.h"
#include "converter/tokenizer/encode_text.h"

namespace cllm {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Bytes at the end of `text` that begin a UTF-8 character without finishing it.
size_t UnfinishedBytes(std::string_view text) {
  const size_t longest = std::min<size_t>(text.size(), 3);
  for (size_t back = 1; back <= longest; ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

// One text being written: the session, the token drawn last and what goes out.
class Writer {
 public:
  Writer(const cllm_model& model, const GenerateOptions& options,
         const std::function<absl::Status(std::string_view)>& out)
      : model_(model), options_(options), out_(out), info_(Describe(model)) {
    options_.sampling.struct_size = sizeof(cllm_sampling);
  }

  absl::StatusOr<GenerateResult> Run() {
    absl::StatusOr<HostedSession> session = Begin();
    if (!session.ok()) return session.status();
    if (absl::Status status = Continue(session->get()); !status.ok()) return status;
    if (absl::Status status = out_(stream_.Rest()); !status.ok()) return status;
    return result_;
  }

  absl::StatusOr<std::string> Save() {
    absl::StatusOr<HostedSession> session = Begin();
    if (!session.ok()) return session.status();
    return SaveState(session->get());
  }

 private:
  // A session that the state, if there is one, and the prompt were fed to.
  absl::StatusOr<HostedSession> Begin() {
    absl::StatusOr<HostedSession> session =
        HostedSession::Create(model_, HostLimits(info_, options_.kv_format), options_.workers);
    if (!session.ok()) return session.status();
    result_.room_bytes = session->room_bytes();
    if (absl::Status status = Restore(session->get()); !status.ok()) return status;
    if (absl::Status status = Start(); !status.ok()) return status;
    if (absl::Status status = Prefill(session->get()); !status.ok()) return status;
    return session;
  }

  absl::Status Restore(cllm_session* session) {
    if (options_.state.empty()) return absl::OkStatus();
    absl::Status status = RestoreState(session, options_.state, &previous_);
    result_.state_tokens = cllm_session_position(session);
    return status;
  }

  absl::Status Start() {
    absl::StatusOr<std::vector<uint32_t>> prompt = EncodeText(model_, options_.prompt);
    if (!prompt.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("the prompt: ", prompt.status().message()));
    }
    const bool begin = info_.begin_token != CLLM_NO_TOKEN && result_.state_tokens == 0;
    if (begin) tokens_.push_back(info_.begin_token);
    tokens_.insert(tokens_.end(), prompt->begin(), prompt->end());
    if (tokens_.empty() && result_.state_tokens == 0) {
      return absl::InvalidArgumentError(
          "this model has no begin token to start from; give the first words of the text as a prompt");
    }
    if (tokens_.size() > info_.context - result_.state_tokens) {
      return absl::InvalidArgumentError(
          absl::StrCat("the prompt has ", prompt->size(), " tokens and the model's context holds ",
                       info_.context - result_.state_tokens - begin,
                       result_.state_tokens > 0 ? " more than the state has; shorten the prompt"
                                                : "; shorten the prompt"));
    }
    if (prompt->size() > options_.text_tokens) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the prompt alone has ", prompt->size(), " tokens, more than the ", options_.text_tokens,
          " of the whole text; raise the number of tokens or shorten the prompt"));
    }
    result_.prompt_tokens = static_cast<uint32_t>(prompt->size());
    return absl::OkStatus();
  }

  absl::Status Prefill(cllm_session* session) {
    const Clock::time_point start = Clock::now();
    const auto count = static_cast<uint32_t>(tokens_.size());
    absl::Status fed = ExplainStatus(cllm_session_feed(session, tokens_.data(), count), "feeding the prompt");
    if (!fed.ok()) return fed;
    result_.prefill_seconds = SecondsSince(start);
    result_.prefill_tokens = count;
    if (count > 0) previous_ = tokens_.back();
    return out_(stream_.Add(options_.prompt));
  }

  absl::Status Continue(cllm_session* session) {
    const Clock::time_point start = Clock::now();
    while (result_.prompt_tokens + result_.generated_tokens < options_.text_tokens) {
      uint32_t token = 0;
      absl::Status drawn = ExplainStatus(cllm_session_next(session, &options_.sampling, &token), "sampling");
      if (!drawn.ok()) return drawn;
      result_.end_of_text = cllm_tokens_ends_text(&model_, token) != 0 || token == info_.begin_token;
      if (result_.end_of_text) break;
      if (absl::Status status = Put(token); !status.ok()) return status;
      ++result_.generated_tokens;
      if (result_.prompt_tokens + result_.generated_tokens == options_.text_tokens) break;
      result_.context_full = cllm_session_position(session) == info_.context;
      if (result_.context_full) break;
      absl::Status fed = ExplainStatus(cllm_session_feed(session, &token, 1), "feeding a token");
      if (!fed.ok()) return fed;
      ++result_.decode_tokens;
    }
    result_.decode_seconds = SecondsSince(start);
    return absl::OkStatus();
  }

  absl::Status Put(uint32_t token) {
    const char* text = nullptr;
    uint32_t bytes = 0;
    absl::Status decoded =
        ExplainStatus(cllm_tokens_decode(&model_, previous_, token, &text, &bytes), "decoding a token");
    if (!decoded.ok()) return decoded;
    previous_ = token;
    return out_(stream_.Add(std::string_view(text, bytes)));
  }

  const cllm_model& model_;
  GenerateOptions options_;
  const std::function<absl::Status(std::string_view)>& out_;
  const cllm_model_info info_;
  std::vector<uint32_t> tokens_;       // to be fed at once
  uint32_t previous_ = CLLM_NO_TOKEN;  // the sequence's last
  Utf8Stream stream_;
  GenerateResult result_;
};

}  // namespace

std::string Utf8Stream::Add(std::string_view text) {
  held_.append(text);
  std::string whole = std::move(held_);
  const size_t unfinished = UnfinishedBytes(whole);
  held_ = whole.substr(whole.size() - unfinished);
  whole.resize(whole.size() - unfinished);
  return whole;
}

std::string Utf8Stream::Rest() {
  std::string rest = std::move(held_);
  held_.clear();
  return rest;
}

absl::StatusOr<GenerateResult> Generate(const cllm_model& model, const GenerateOptions& options,
                                        const std::function<absl::Status(std::string_view)>& out) {
  return Writer(model, options, out).Run();
}

absl::StatusOr<std::string> FeedAndSave(const cllm_model& model, const GenerateOptions& options) {
  return Writer(model, options, [](std::string_view) { return absl::OkStatus(); }).Save();
}

}  // namespace cllm
