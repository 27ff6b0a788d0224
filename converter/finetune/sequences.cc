#include "converter/finetune/sequences.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "converter/run/hosted_session.h"
#include "converter/tokenizer/encode_text.h"

namespace cllm {
namespace {

// A document's tokens, and how many of the first ones are a prompt.
struct Tokens {
  std::vector<uint32_t> all;
  size_t prompt = 0;
};

absl::StatusOr<Tokens> Encode(const cllm_model& model, const cllm_model_info& info, std::string_view document,
                              const std::string& after) {
  Tokens tokens;
  if (info.begin_token != CLLM_NO_TOKEN) tokens.all.push_back(info.begin_token);
  if (!after.empty()) {
    const size_t at = document.find(after);
    if (at == std::string_view::npos) {
      return absl::InvalidArgumentError(absl::StrCat("there is no '", after, "' in the document '",
                                                     std::string(document.substr(0, 60)), "'"));
    }
    absl::StatusOr<std::vector<uint32_t>> prompt = EncodeText(model, document.substr(0, at + after.size()));
    if (!prompt.ok()) return prompt.status();
    tokens.all.insert(tokens.all.end(), prompt->begin(), prompt->end());
    tokens.prompt = tokens.all.size();
    document.remove_prefix(at + after.size());
  }
  absl::StatusOr<std::vector<uint32_t>> rest = EncodeText(model, document);
  if (!rest.ok()) return rest.status();
  tokens.all.insert(tokens.all.end(), rest->begin(), rest->end());
  if (info.end_token != CLLM_NO_TOKEN) tokens.all.push_back(info.end_token);
  return tokens;
}

void AddWindows(const Tokens& tokens, uint32_t length, std::vector<TuningSequence>* sequences) {
  for (size_t start = 0; start + 1 < tokens.all.size(); start += length) {
    const size_t count = std::min<size_t>(length, tokens.all.size() - 1 - start);
    TuningSequence sequence;
    for (size_t t = start; t < start + count; ++t) {
      const bool learned = t + 1 >= tokens.prompt;
      sequence.inputs.push_back(tokens.all[t]);
      sequence.targets.push_back(learned ? tokens.all[t + 1] : CLLM_NO_TOKEN);
      sequence.counted += learned;
    }
    if (sequence.counted > 0) sequences->push_back(std::move(sequence));
  }
}

}  // namespace

absl::StatusOr<std::vector<TuningSequence>> MakeSequences(const cllm_model& model, std::string_view text,
                                                          DocumentSplit split, const std::string& after,
                                                          uint32_t length) {
  const cllm_model_info info = Describe(model);
  std::vector<TuningSequence> sequences;
  for (const std::string_view document : SplitDocuments(text, split)) {
    absl::StatusOr<Tokens> tokens = Encode(model, info, document, after);
    if (!tokens.ok()) return tokens.status();
    AddWindows(*tokens, length, &sequences);
  }
  if (sequences.empty()) return absl::InvalidArgumentError("there is nothing to learn in it");
  return sequences;
}

}  // namespace cllm
