#include "converter/import/read_model.h"

#include "converter/export/panels.h"
#include "converter/import/provenance.h"
#include "converter/tokenizer/segments.h"

namespace cllm {
namespace {

Architecture ToArchitecture(const Config& config) {
  Architecture a;
  a.vocabulary_size = config.vocabulary_size;
  a.context = config.context;
  a.width = config.width;
  a.layers = config.layers;
  a.heads = config.heads;
  a.kv_heads = config.kv_heads;
  a.head_size = config.head_size;
  a.hidden = config.hidden;
  a.norm_epsilon = config.norm_epsilon;
  a.rope_pairs = config.rope_pairs;
  a.rope_turns.assign(config.rope_turns, config.rope_turns + config.variant.rotary(config.head_size) / 2);
  if (config.variant.window_rope) {
    a.window_rope_turns.assign(config.window_rope_turns, config.window_rope_turns + a.rope_turns.size());
  }
  a.tied_head = config.tied_head;
  a.variant = config.variant;
  return a;
}

TokenizerTables TokenizerOf(const ModelFile& file) {
  TokenizerTables tables = UnpackTokenizer(file.model().tokenizer);
  tables.chat_template = ReadChatTemplate(file.model());
  return tables;
}

}  // namespace

Checkpoint ToCheckpoint(const ModelFile& file) {
  const Model& model = file.model();
  Checkpoint checkpoint;
  checkpoint.architecture = ToArchitecture(model.config);
  checkpoint.tokenizer = TokenizerOf(file);
  checkpoint.provenance = ReadProvenance(model);
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    checkpoint.tensors[{entry.role, entry.layer}] =
        UnpackTensor(model.config, entry.role, entry.tensor, entry.adapter);
  }
  return checkpoint;
}

WeightFormats StoredFormats(const ModelFile& file) {
  WeightFormats formats = Dtype::kF32;
  for (uint32_t i = 0; i < file.model().tensor_count; ++i) {
    const TableEntry entry = TensorAt(file.model(), i);
    formats.Set({entry.role, entry.layer}, entry.tensor.dtype);
  }
  return formats;
}

absl::StatusOr<Checkpoint> ReadModel(const std::string& path) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(path);
  if (!file.ok()) return file.status();
  return ToCheckpoint(*file);
}

absl::StatusOr<TokenizerTables> ReadTokenizer(const std::string& path) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(path);
  if (!file.ok()) return file.status();
  return TokenizerOf(*file);
}

}  // namespace cllm
