#include "fuzz/open_fuzzer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "converter/signature/seal.h"
#include "converter/tokenizer/encode_text.h"
#include "model/signature.h"
#include "model/tensors.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm::testing {
namespace {

void Require(bool promise, const char* text) {
  if (promise) return;
  std::fprintf(stderr, "open broke its promise: %s\n", text);
  std::abort();
}

// The sum keeps the compiler from leaving the reads out.
uint64_t ReadAll(const void* data, uint64_t bytes) {
  uint64_t sum = 0;
  const auto* at = static_cast<const volatile uint8_t*>(data);
  for (uint64_t i = 0; i < bytes; ++i) sum += at[i];
  return sum;
}

void ReadTensor(const TableEntry& entry, const Config& config) {
  const Tensor& tensor = entry.tensor;
  Require(reinterpret_cast<uintptr_t>(tensor.data) % kAlignment == 0, "tensors are aligned");
  Require(entry.bytes == StoredBytes(config, entry.role, config.weights), "a tensor has its bytes");
  ReadAll(tensor.data, entry.bytes);
  if (tensor.scales != nullptr) ReadAll(tensor.scales, 2 * StoredRows(config, entry.role));
}

void ReadTokenizer(const TokenizerView& view) {
  if (view.kind == TokenizerKind::kNone) return;
  for (uint32_t i = 0; i < view.count; ++i) {
    Require(view.offsets[i] <= view.offsets[i + 1], "offsets ascend");
    ReadAll(view.bytes + view.offsets[i], view.offsets[i + 1] - view.offsets[i]);
    if (view.scores != nullptr) ReadAll(view.scores + i, sizeof(float));
  }
  for (uint32_t i = 0; i < 3 * view.merge_count; ++i)
    Require(view.merges[i] < view.count, "merges name tokens");
  if (view.kind == TokenizerKind::kUnigram) {
    ReadAll(view.log_probabilities, sizeof(double) * (size_t{view.count} + 1));
    for (uint32_t i = 0; i < view.trie_nodes; ++i) {
      const uint32_t token = view.trie[i].token;
      Require(token == CLLM_NO_TOKEN || token < view.count, "the trie names tokens");
    }
    return;
  }
  bool has_empty = false;
  if (view.byte_tokens != nullptr) ReadAll(view.byte_tokens, 256 * sizeof(uint32_t));
  for (uint32_t i = 0; i < view.word_slots; ++i)
    Require(view.words[i] == 0xFFFFFFFFu || view.words[i] < view.count, "slots of words name tokens");
  for (uint32_t i = 0; i < view.added_count; ++i) {
    const uint32_t token = view.added->rows[i].token;
    Require(token < view.count && view.offsets[token] < view.offsets[token + 1], "added tokens have pieces");
  }
  const uint32_t entries = view.kind == TokenizerKind::kByteBpe ? view.merge_count : view.count;
  for (uint32_t i = 0; i < view.index_slots; ++i) {
    has_empty = has_empty || view.index[i] == 0xFFFFFFFFu;
    Require(view.index[i] == 0xFFFFFFFFu || view.index[i] < entries, "slots name entries");
  }
  Require(has_empty, "the index has an empty slot");
}

// Of tables that are nonsense come what tokens may, but of the vocabulary, and each has a text.
void EncodeAndDecodeBy(const cllm_model& model, const Config& config) {
  const std::string_view text = " It's a tab\t and <s> ab\xC3\xA9 b 12345\n\n  \xE2\x96\x81 abab \xFF </s>";
  for (const Specials specials : {Specials::kAsText, Specials::kParsed}) {
    const auto tokens = EncodeText(model, text, specials);
    if (!tokens.ok()) continue;
    for (const uint32_t token : *tokens)
      Require(token < config.vocabulary_size, "tokens are of the vocabulary");
    (void)DecodeTokens(model, *tokens);
  }
  uint32_t previous = CLLM_NO_TOKEN;
  for (uint32_t token = 0; token < std::min(config.vocabulary_size, 300u); previous = token++) {
    const char* piece = nullptr;
    uint32_t bytes = 0;
    (void)cllm_tokens_ends_text(&model, token);
    if (cllm_tokens_decode(&model, previous, token, &piece, &bytes) == CLLM_OK) ReadAll(piece, bytes);
  }
}

}  // namespace

Status OpenAndRead(const uint8_t* data, size_t size) {
  AlignedBytes bytes(std::string_view(reinterpret_cast<const char*>(data), size));
  Model model;
  const Status status = OpenModel(bytes.data(), bytes.size(), &model);
  if (status != CLLM_OK) return status;
  Require(CheckConfig(model.config) == CLLM_OK, "the configuration is in range");
  ReadAll(model.config.rope_turns, sizeof(uint64_t) * (model.config.head_size / 2));
  uint64_t weight_bytes = 0;
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    ReadTensor(entry, model.config);
    Require(FindTensor(model, entry.role, entry.layer).data == entry.tensor.data, "tensors are found");
    weight_bytes += entry.bytes;
  }
  Require(weight_bytes == model.weight_bytes, "weight_bytes is the sum");
  ReadTokenizer(model.tokenizer);
  return CLLM_OK;
}

Status OpenAndRun(const uint8_t* data, size_t size) {
  if (const Status status = OpenAndRead(data, size); status != CLLM_OK) return status;
  AlignedBytes bytes(std::string_view(reinterpret_cast<const char*>(data), size));
  cllm_model model;
  Require(cllm_model_open(bytes.data(), bytes.size(), &model) == CLLM_OK, "it opens again");
  Model view;
  Require(OpenModel(bytes.data(), bytes.size(), &view) == CLLM_OK, "it opens again");
  EncodeAndDecodeBy(model, view.config);
  cllm_blocks_info blocks = {};
  blocks.struct_size = sizeof(blocks);
  if (cllm_model_describe_blocks(&model, &blocks) == CLLM_OK) {
    for (uint64_t i = 0; i < blocks.blocks; ++i) (void)cllm_model_verify_block(&model, i);
  }
  // A hostile file may ask for a larger room than there is, which is the caller's to refuse.
  const cllm_limits limits = {sizeof(cllm_limits), 1, 1, 1, CLLM_KV_F32, 0};
  uint64_t room_bytes = 0;
  if (cllm_session_measure(&model, &limits, &room_bytes) != CLLM_OK || room_bytes > 1u << 22) return CLLM_OK;
  AlignedBytes room(std::string(static_cast<size_t>(room_bytes), '\x5A'));
  cllm_session* session = nullptr;
  Require(cllm_session_create(&model, &limits, nullptr, room.data(), room.size(), &session) == CLLM_OK,
          "a session fits the room that was measured");
  const uint32_t token = 0;
  Require(cllm_session_feed(session, &token, 1) == CLLM_OK, "a token can be fed");
  uint32_t next = 0;
  Require(cllm_session_next(session, nullptr, &next) == CLLM_OK, "and another drawn");
  return CLLM_OK;
}

const std::string& GoodModel(unsigned number) {
  static const auto* const models = [] {
    auto* made = new std::vector<std::string>;
    for (const auto& [format, kind] : {std::pair(Dtype::kF32, TokenizerKind::kScoredMerges),
                                       {Dtype::kI8, TokenizerKind::kByteBpe},
                                       {Dtype::kI4, TokenizerKind::kCharacters},
                                       {Dtype::kI8, TokenizerKind::kWordPiece},
                                       {Dtype::kBf16, TokenizerKind::kWords},
                                       {Dtype::kI8, TokenizerKind::kUnigram}}) {
      made->push_back(SmallFile(format, kind));
    }
    made->push_back(ImportedFile(Dtype::kI8));
    const auto model = ModelFile::FromBytes(made->back(), "small");
    const auto sign = [](std::string_view) { return absl::StatusOr<Signature>(Signature{}); };
    made->push_back(*SignedToString(*model, {PublicKey{}, sign}, 1024));
    return made;
  }();
  return (*models)[number % kGoodModels];
}

}  // namespace cllm::testing
