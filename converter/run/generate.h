// Room: converter/run. Text generation: a prompt in, pieces of text out as they come.
#ifndef CLLM_CONVERTER_RUN_GENERATE_H_
#define CLLM_CONVERTER_RUN_GENERATE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"

namespace cllm {

// Passes bytes on in runs that never end inside a UTF-8 character. Bytes that are no UTF-8 pass unchanged.
class Utf8Stream {
 public:
  // What can go out now: everything held back and `text`, up to the last whole character.
  std::string Add(std::string_view text);
  // What is held back still, at the end.
  std::string Rest();

 private:
  std::string held_;
};

struct GenerateOptions {
  std::string prompt;
  uint32_t text_tokens = 256;  // in all: those of the prompt count, a begin token does not
  cllm_sampling sampling{};    // struct_size need not be set
  cllm_kv_format kv_format = CLLM_KV_F32;
  const cllm_workers* workers = nullptr;
  std::string_view state{};  // a saved state to go on from, instead of the begin token; empty: none
};

struct GenerateResult {
  uint32_t prompt_tokens = 0;     // without the begin token
  uint32_t generated_tokens = 0;  // without the token that ended the text
  bool end_of_text = false;       // the model ended it
  bool context_full = false;      // fewer tokens than asked for, because the context holds no more
  double prefill_seconds = 0;
  double decode_seconds = 0;
  uint32_t state_tokens = 0;    // what the state holds
  uint32_t prefill_tokens = 0;  // fed at once: the prompt, and the begin token where there is one
  uint32_t decode_tokens = 0;   // fed one by one
  uint64_t room_bytes = 0;
};

// Starts with the state, or else the model's begin token, or without one the prompt's first token. The
// prompt's own text goes out first, then the continuation up to the end token or to a begin token, which
// starts another text. Errors: InvalidArgument (nothing to start with, a prompt that cannot be encoded, is
// longer than text_tokens or than the context, sampling out of range), ResourceExhausted, and what `out`
// returns.
absl::StatusOr<GenerateResult> Generate(const cllm_model& model, const GenerateOptions& options,
                                        const std::function<absl::Status(std::string_view)>& out);

// Feeds what Generate would, and returns the session's state instead of going on. Errors likewise.
absl::StatusOr<std::string> FeedAndSave(const cllm_model& model, const GenerateOptions& options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_GENERATE_H_
