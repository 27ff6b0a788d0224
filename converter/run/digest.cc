#include "converter/run/digest.h"

#include <sha2.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/random.h"
#include "converter/export/sha256.h"
#include "converter/import/model_file.h"
#include "converter/run/hosted_session.h"

namespace cllm {
namespace {

constexpr uint32_t kSplit = 32;

// SHA-256 of 32-bit words, each as four bytes, the lowest first.
class WordDigest {
 public:
  WordDigest() { SHA256Init(&context_); }

  void Add(uint32_t word) {
    const uint8_t bytes[4] = {static_cast<uint8_t>(word), static_cast<uint8_t>(word >> 8),
                              static_cast<uint8_t>(word >> 16), static_cast<uint8_t>(word >> 24)};
    SHA256Update(&context_, bytes, sizeof(bytes));
  }

  void Add(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    Add(bits);
  }

  std::string Hex() {
    Sha256Digest digest;
    SHA256Final(digest.data(), &context_);
    return Hexadecimal(digest);
  }

 private:
  SHA2_CTX context_;
};

absl::Status FeedAll(cllm_session* session, const std::vector<uint32_t>& tokens, uint32_t split,
                     uint32_t vocabulary_size, WordDigest* digest) {
  const auto count = static_cast<uint32_t>(tokens.size());
  for (uint32_t done = 0; done < count; done += split) {
    const uint32_t rows = std::min(split, count - done);
    absl::Status status = ExplainStatus(cllm_session_feed(session, &tokens[done], rows), "feeding tokens");
    if (!status.ok()) return status;
    for (uint32_t row = 0; row < rows; ++row) {
      const float* logits = nullptr;
      status = ExplainStatus(cllm_session_logits(session, row, &logits), "reading logits");
      if (!status.ok()) return status;
      for (uint32_t i = 0; i < vocabulary_size; ++i) digest->Add(logits[i]);
    }
  }
  return absl::OkStatus();
}

// Draws `count` tokens greedily, feeding all but the last.
absl::Status ContinueGreedily(cllm_session* session, uint32_t count, WordDigest* digest) {
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t token = 0;
    absl::Status status = ExplainStatus(cllm_session_next(session, nullptr, &token), "the next token");
    if (status.ok() && i + 1 < count) {
      status = ExplainStatus(cllm_session_feed(session, &token, 1), "feeding a token");
    }
    if (!status.ok()) return status;
    digest->Add(token);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DigestResult> ComputeDigest(const cllm_model& model, const DigestOptions& options) {
  const cllm_model_info info = Describe(model);
  const uint32_t count = options.tokens != 0 ? options.tokens : std::min(kDigestTokens, info.context);
  if (count > info.context) {
    return absl::InvalidArgumentError(
        absl::StrCat(count, " tokens do not fit into the model's context of ", info.context, "; feed fewer"));
  }
  std::vector<uint32_t> tokens(count);
  for (uint32_t i = 0; i < count; ++i) {
    tokens[i] = static_cast<uint32_t>(Random(kDigestSeed, RandomStream::kData, i) % info.vocabulary_size);
  }
  const uint32_t split = std::min(options.split != 0 ? options.split : kSplit, count);
  cllm_limits limits{};
  limits.batch = limits.logits_rows = split;
  limits.kv_format = options.kv_format;
  absl::StatusOr<HostedSession> session = HostedSession::Create(model, limits, options.workers);
  if (!session.ok()) return session.status();

  WordDigest logits, continuation;
  absl::Status status = FeedAll(session->get(), tokens, split, info.vocabulary_size, &logits);
  if (!status.ok()) return status;
  const uint32_t continued = std::min(kDigestContinuation, info.context - count + 1);
  status = ContinueGreedily(session->get(), continued, &continuation);
  if (!status.ok()) return status;
  return DigestResult{logits.Hex(), continuation.Hex(), count, continued};
}

}  // namespace cllm
