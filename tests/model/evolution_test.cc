// Files of other versions of the format: older heads with fewer fields, newer heads with more.
#include <cstring>

#include "doctest/doctest.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::FileEditor;
using testing::OpenStatus;
using testing::SmallFile;

TEST_CASE("a head without any optional field opens with the defaults") {
  FileEditor editor(SmallFile(Dtype::kF32, TokenizerKind::kNone));
  editor.head().provenance.reset();
  editor.head().plans.clear();
  editor.head().content_digest.reset();
  for (auto& tensor : editor.head().tensors) tensor->segment->digest.reset();
  AlignedBytes file(editor.Build());
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  CHECK(model.config.norm_epsilon == 1e-5f);
  CHECK(model.config.rope_pairs == RopePairs::kAdjacent);
  CHECK(model.tokenizer.kind == TokenizerKind::kNone);
}

TEST_CASE("a newer minor version opens, a newer major version is refused") {
  FileEditor editor(SmallFile());
  editor.head().format_minor = 7;
  CHECK(OpenStatus(editor.Build()) == CLLM_OK);
  editor.head().format_major = 2;
  CHECK(OpenStatus(editor.Build()) == CLLM_FILE_VERSION);
}

// A head of major version 2 in which nothing but the version is as format 1 has it.
TEST_CASE("a newer major version is refused by its version even if nothing else verifies") {
  flatbuffers::FlatBufferBuilder builder;
  const auto strange = builder.CreateString("not a configuration");
  const auto start = builder.StartTable();
  builder.AddElement<uint16_t>(schema::Model::VT_FORMAT_MAJOR, 2, 1);
  builder.AddOffset(schema::Model::VT_TENSORS, strange);
  const auto root = builder.EndTable(start);
  builder.FinishSizePrefixed(flatbuffers::Offset<schema::Model>(root), schema::ModelIdentifier());
  const std::string file(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  CHECK(OpenStatus(file) == CLLM_FILE_VERSION);
}

// What a later minor version's writer makes: the root table has fields that this reader does not know.
TEST_CASE("unknown fields of the root are passed over") {
  const std::string file = SmallFile(Dtype::kF32, TokenizerKind::kNone);
  AlignedBytes old(file);
  const schema::Model* root = schema::GetSizePrefixedModel(old.data());
  std::unique_ptr<schema::ModelT> head(root->UnPack());
  const auto build = [&head](uint64_t shift) {
    for (auto& tensor : head->tensors) tensor->segment->offset += shift;
    head->file_bytes += shift;
    flatbuffers::FlatBufferBuilder builder;
    const auto config = schema::CreateConfig(builder, head->config.get());
    std::vector<flatbuffers::Offset<schema::Tensor>> tensors;
    for (auto& tensor : head->tensors) tensors.push_back(schema::CreateTensor(builder, tensor.get()));
    const auto stored_tensors = builder.CreateVector(tensors);
    const auto future = builder.CreateString("a field of format 1.9");
    const auto start = builder.StartTable();
    builder.AddOffset(schema::Model::VT_CONFIG, config);
    builder.AddOffset(schema::Model::VT_TENSORS, stored_tensors);
    builder.AddElement<uint64_t>(schema::Model::VT_FILE_BYTES, head->file_bytes, 0);
    builder.AddElement<uint16_t>(schema::Model::VT_FORMAT_MINOR, 9, 0);
    builder.AddOffset(static_cast<flatbuffers::voffset_t>(schema::Model::VT_FILE_BYTES + 2), future);
    builder.AddElement<uint64_t>(schema::Model::VT_FILE_BYTES + 4, 12345, 0);
    const auto end = builder.EndTable(start);
    builder.FinishSizePrefixed(flatbuffers::Offset<schema::Model>(end), schema::ModelIdentifier());
    return std::string(reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize());
  };
  const uint64_t segments = head->tensors[0]->segment->offset;
  const uint64_t shift = RoundUp(build(0).size(), 64) + 64 - segments % 64;
  const std::string longer = build(shift);
  std::string moved(segments + shift, '\0');
  moved.replace(0, longer.size(), longer);
  CHECK(OpenStatus(moved + file.substr(segments)) == CLLM_OK);
}

}  // namespace
}  // namespace cllm
