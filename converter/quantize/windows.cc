#include "converter/quantize/windows.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "converter/import/model_file.h"
#include "converter/run/hosted_session.h"
#include "converter/tokenizer/encode_text.h"

namespace cllm {
namespace {

// Every n-th, so that at most `tokens` or one window are left.
TokenWindows Thinned(TokenWindows windows, uint64_t tokens) {
  uint64_t all = 0;
  for (const std::vector<uint32_t>& window : windows) all += window.size();
  const size_t every = static_cast<size_t>(all / std::max<uint64_t>(tokens, 1)) + 1;
  TokenWindows kept;
  for (size_t i = 0; i < windows.size(); i += every) kept.push_back(std::move(windows[i]));
  return kept;
}

absl::Status Write(cllm_session* session, const cllm_model_info& info, uint64_t seed,
                   std::vector<uint32_t>* window) {
  cllm_sampling sampling{};
  sampling.struct_size = sizeof(sampling);
  sampling.temperature = 1;
  sampling.seed = seed;
  cllm_session_rewind(session, 0);
  while (true) {
    absl::Status status = ExplainStatus(cllm_session_feed(session, &window->back(), 1), "feeding a token");
    if (!status.ok() || window->size() == info.context) return status;
    uint32_t token = 0;
    status = ExplainStatus(cllm_session_next(session, &sampling, &token), "sampling");
    if (!status.ok() || token == info.end_token || token == info.begin_token) return status;
    window->push_back(token);
  }
}

}  // namespace

absl::StatusOr<TokenWindows> WindowsOf(const cllm_model& model, std::string_view text, DocumentSplit split,
                                       uint64_t tokens) {
  const cllm_model_info info = Describe(model);
  const bool begins = info.begin_token != CLLM_NO_TOKEN && info.context > 1;
  TokenWindows windows;
  for (const std::string_view document : SplitDocuments(text, split)) {
    absl::StatusOr<std::vector<uint32_t>> encoded = EncodeText(model, document);
    if (!encoded.ok()) return encoded.status();
    const size_t step = info.context - (begins ? 1 : 0);
    for (size_t start = 0; start < encoded->size(); start += step) {
      std::vector<uint32_t> window;
      if (begins) window.push_back(info.begin_token);
      const size_t end = std::min(encoded->size(), start + step);
      window.insert(window.end(), encoded->begin() + static_cast<ptrdiff_t>(start),
                    encoded->begin() + static_cast<ptrdiff_t>(end));
      if (window.size() > 1) windows.push_back(std::move(window));
    }
  }
  if (windows.empty()) return absl::InvalidArgumentError("the text has not two tokens; give a longer one");
  return Thinned(std::move(windows), tokens);
}

absl::StatusOr<TokenWindows> OwnWindows(const cllm_model& model, uint64_t tokens,
                                        const cllm_workers* workers) {
  const cllm_model_info info = Describe(model);
  absl::StatusOr<HostedSession> session =
      HostedSession::Create(model, HostLimits(info, CLLM_KV_F32), workers);
  if (!session.ok()) return session.status();
  TokenWindows windows;
  for (uint64_t seed = 0, done = 0; done < tokens; ++seed) {
    uint32_t first = info.begin_token;
    if (first == CLLM_NO_TOKEN) {
      first = static_cast<uint32_t>(Random(seed, RandomStream::kSampling, 0) % info.vocabulary_size);
    }
    windows.push_back({first});
    absl::Status status = Write(session->get(), info, seed, &windows.back());
    if (!status.ok()) return status;
    done += windows.back().size();
  }
  return windows;
}

}  // namespace cllm
