#include "fuzz/text_fuzzer.h"

#include <cstring>
#include <string>
#include <vector>

#include "converter/tokenizer/encode_text.h"
#include "fuzz/small_session.h"

namespace cllm::testing {
namespace {

constexpr TokenizerKind kKinds[] = {TokenizerKind::kByteBpe,    TokenizerKind::kScoredMerges,
                                    TokenizerKind::kCharacters, TokenizerKind::kWordPiece,
                                    TokenizerKind::kWords,      TokenizerKind::kUnigram};

struct TextModel {
  explicit TextModel(TokenizerKind kind) : file(SmallFile(Dtype::kI8, kind)) {
    Require(cllm_model_open(file.data(), file.size(), &model) == CLLM_OK, "a model opens");
  }
  AlignedBytes file;
  cllm_model model;
};

const cllm_model& ModelOf(size_t kind) {
  static const TextModel* const models[] = {new TextModel(kKinds[0]), new TextModel(kKinds[1]),
                                            new TextModel(kKinds[2]), new TextModel(kKinds[3]),
                                            new TextModel(kKinds[4]), new TextModel(kKinds[5])};
  return models[kind]->model;
}

}  // namespace

void EncodeAndDecode(const uint8_t* data, size_t size) {
  if (size == 0) return;
  const size_t kind = data[0] % std::size(kKinds);
  const cllm_model& model = ModelOf(kind);
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const uint32_t vocabulary = SmallArchitecture().vocabulary_size;
  if (const auto tokens = EncodeText(model, text); tokens.ok()) {
    for (const uint32_t token : *tokens) Require(token < vocabulary, "tokens are below the vocabulary size");
    const auto back = DecodeTokens(model, *tokens);
    Require(back.ok(), "what was encoded is decoded");
    if (kKinds[kind] == TokenizerKind::kByteBpe) Require(*back == text, "bytes come back");
  }
  std::vector<uint32_t> ids(text.size() / sizeof(uint32_t));
  if (!ids.empty()) std::memcpy(ids.data(), text.data(), ids.size() * sizeof(uint32_t));
  for (size_t i = 0; i < ids.size(); i += 2) ids[i] %= vocabulary;
  (void)DecodeTokens(model, ids);
}

}  // namespace cllm::testing
