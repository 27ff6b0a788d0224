// Room: converter/tokenizer. What is done to a text before it is encoded: the steps of tokenizer.json's
// `normalizer`, and the character maps of SentencePiece's models. schemas/TOKENIZER.md says what each does.
#ifndef CLLM_CONVERTER_TOKENIZER_NORMALIZER_H_
#define CLLM_CONVERTER_TOKENIZER_NORMALIZER_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "model/model.h"
#include "nlohmann/json.hpp"

namespace cllm {

class Normalizer {
 public:
  // steps: a list of objects with a `type`, or one such object. Unimplemented: names a step that is not
  // known, or what this program was built without; InvalidArgument: what is wrong with one.
  static absl::StatusOr<Normalizer> FromSteps(const nlohmann::json& steps);

  // The list as the text that a model file holds; an empty text is no step. Errors likewise.
  static absl::StatusOr<Normalizer> FromText(std::string_view json);

  // OutOfRange: the text would grow to more than 64 times its size, which no language's does.
  absl::StatusOr<std::string> Apply(std::string_view text) const;

  // Whether ASCII stays as it is, so that it need not be looked at.
  bool keeps_ascii() const { return keeps_ascii_; }
  bool empty() const { return steps_.empty(); }

 private:
  using Step = std::function<std::string(std::string_view)>;
  std::vector<Step> steps_;
  bool keeps_ascii_ = true;
};

// What must be said of texts for a tokenizer with these steps.
TextForm TextFormOf(const nlohmann::json& steps);

}  // namespace cllm

#endif  // CLLM_CONVERTER_TOKENIZER_NORMALIZER_H_
