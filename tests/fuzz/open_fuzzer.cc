#include "fuzz/open_fuzzer.h"

#include <cstdio>
#include <cstdlib>

#include "model/tensors.h"
#include "support/file_editor.h"

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
  bool has_empty = false;
  const uint32_t entries = view.kind == TokenizerKind::kByteBpe ? view.merge_count : view.count;
  for (uint32_t i = 0; i < view.index_slots; ++i) {
    has_empty = has_empty || view.index[i] == 0xFFFFFFFFu;
    Require(view.index[i] == 0xFFFFFFFFu || view.index[i] < entries, "slots name entries");
  }
  Require(has_empty, "the index has an empty slot");
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

}  // namespace cllm::testing
