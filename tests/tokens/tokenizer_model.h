// A model that is a tokenizer and nothing else, for what needs a cllm_model to encode with.
#ifndef CLLM_TESTS_TOKENS_TOKENIZER_MODEL_H_
#define CLLM_TESTS_TOKENS_TOKENIZER_MODEL_H_

#include <cstring>

#include "converter/tokenizer/segments.h"
#include "model/model.h"

namespace cllm {

class TokenizerModel {
 public:
  explicit TokenizerModel(const TokenizerTables& tables) : segments_(PackTokenizer(tables).value()) {
    Model model = {};
    model.head = &segments_;  // anything: a model without a head counts as not opened
    model.tokenizer = ViewOfSegments(tables, segments_);
    std::memcpy(handle_.opaque, &model, sizeof(model));
  }
  const cllm_model* handle() const { return &handle_; }

 private:
  TokenizerSegments segments_;
  cllm_model handle_ = {};
};

}  // namespace cllm

#endif  // CLLM_TESTS_TOKENS_TOKENIZER_MODEL_H_
