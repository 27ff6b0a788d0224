// Room: converter/import. The vocabulary, merges and added tokens of a tokenizer.json.
#ifndef CLLM_CONVERTER_IMPORT_HUGGING_FACE_VOCABULARY_H_
#define CLLM_CONVERTER_IMPORT_HUGGING_FACE_VOCABULARY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>

#include "absl/status/status.h"
#include "converter/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace cllm {

// Unimplemented: the tokenizer is of a kind that the runtime does not have; the model can do without.
template <typename... Parts>
absl::Status OtherTokenizer(const Parts&... parts) {
  return absl::UnimplementedError(absl::StrCat(parts...));
}

// The halves of a merge, "a b" or ["a", "b"]. False: it is neither.
bool SplitHuggingFaceMerge(const nlohmann::json& merge, std::pair<std::string, std::string>* halves);

class HuggingFaceVocabulary {
 public:
  // Bytes of the piece that the file spells so.
  using Spelling = std::function<std::string(const std::string&)>;

  // Fills tables->pieces, of vocabulary_size tokens; those that the file does not name are empty.
  absl::Status Read(const nlohmann::json& vocabulary, uint32_t vocabulary_size, const Spelling& bytes_of,
                    TokenizerTables* tables);

  // added_tokens: pieces as they are spelled, after bytes_of, and tables->added. Those beyond the model's
  // vocabulary, which it cannot run, are left out.
  absl::Status ReadAdded(const nlohmann::json& added, const Spelling& bytes_of, TokenizerTables* tables);

  // The id of a piece as the file spells it, or CLLM_NO_TOKEN.
  uint32_t Find(const std::string& piece) const;

  // Like it, of a special token, a string or an object with `content`; null leaves *id. Errors name the
  // token.
  absl::Status TakeSpecial(const nlohmann::json& token, uint32_t* id) const;

 private:
  absl::Status Place(const std::string& piece, const nlohmann::json& id, const Spelling& bytes_of,
                     TokenizerTables* tables);

  std::unordered_map<std::string, uint32_t> ids_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_IMPORT_HUGGING_FACE_VOCABULARY_H_
