// Room: converter/run. The loss of a model over a text.
#ifndef CLLM_CONVERTER_RUN_EVALUATE_H_
#define CLLM_CONVERTER_RUN_EVALUATE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "converter/data/documents.h"

namespace cllm {

struct EvaluateOptions {
  uint32_t context = 0;  // tokens a window; 0: the model's context
  // How the text falls into documents, each of which starts anew, and whose end token is predicted too where
  // the model has one, as in training. Nothing: the text is one, and what follows it is not predicted.
  std::optional<DocumentSplit> documents;
  cllm_kv_format kv_format = CLLM_KV_F32;
  const cllm_workers* workers = nullptr;
  std::function<void(uint64_t done, uint64_t tokens)> progress;  // may be empty; called after each window
};

struct EvaluateResult {
  uint64_t tokens = 0;  // predicted
  uint64_t bytes = 0;   // of the text that they stand for
  uint64_t windows = 0;
  uint32_t context = 0;  // tokens a window
  double nats = 0;       // negative log-likelihood of the whole text
  double NatsPerToken() const { return nats / static_cast<double>(tokens); }
  double BitsPerByte() const;
  double Perplexity() const;
};

// Cuts each document's tokens into windows of `context` that do not overlap. Where the model has a begin
// token each window starts with it and every token of the document is predicted; otherwise each window reads
// the last token of the window before first, and every token but the document's first is predicted. Errors:
// InvalidArgument (text too short or not encodable, context out of range), ResourceExhausted.
absl::StatusOr<EvaluateResult> Evaluate(const cllm_model& model, std::string_view text,
                                        const EvaluateOptions& options);

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_EVALUATE_H_
