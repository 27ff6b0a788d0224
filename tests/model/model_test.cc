#include "model/model.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "doctest/doctest.h"
#include "model/tensors.h"
#include "support/file_editor.h"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::AlignedBytes;
using testing::FileEditor;
using testing::OpenStatus;
using testing::SmallCheckpoint;
using testing::SmallFile;

TEST_CASE("the view agrees with the checkpoint that was written") {
  const Checkpoint checkpoint = SmallCheckpoint();
  AlignedBytes file(SmallFile());
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  const Config& c = model.config;
  CHECK(c.vocabulary_size == 270);
  CHECK(c.context == 24);
  CHECK(c.width == 10);
  CHECK(c.layers == 2);
  CHECK(c.heads == 4);
  CHECK(c.kv_heads == 2);
  CHECK(c.head_size == 6);
  CHECK(c.hidden == 19);
  CHECK(c.norm_epsilon == 1e-5f);
  CHECK(!c.tied_head);
  CHECK(c.weights == Dtype::kF32);
  CHECK(model.tensor_count == 2 + 6 * 2 + 1);
  // 48 rows of query, key and value; counted by hand from the shapes.
  CHECK(model.parameters == 2 * 270 * 10 + 10 + 2 * (10 + 48 * 10 + 10 * 24 + 10 + 38 * 10 + 10 * 19));
  CHECK(model.weight_bytes ==
        4 * (2 * 272 * 10 + 16 + 2 * (16 + 48 * 10 + 16 * 24 + 16 + 64 * 10 + 16 * 19)));

  const Tensor down = FindTensor(model, Role::kDown, 1);
  const FloatTensor& expected = checkpoint.tensors.at({Role::kDown, 1});
  CHECK(down.rows == 10);
  CHECK(down.columns == 19);
  CHECK(down.scales == nullptr);
  const auto* panels = static_cast<const float*>(down.data);
  for (uint32_t row = 0; row < 16; ++row) {
    for (uint32_t k = 0; k < 19; ++k) {
      CHECK(panels[k * 16 + row] == (row < 10 ? expected.values[row * 19 + k] : 0.0f));
    }
  }
  const Tensor norm = FindTensor(model, Role::kFinalNorm, 0);
  CHECK(norm.rows == 1);
  CHECK(norm.columns == 10);
  CHECK(reinterpret_cast<uintptr_t>(norm.data) % 64 == 0);
  CHECK(FindTensor(model, Role::kHead, 0).data != FindTensor(model, Role::kTokenEmbedding, 0).data);
}

TEST_CASE("gate and up rows alternate by panels of 16, padded apart") {
  const Checkpoint checkpoint = SmallCheckpoint();
  AlignedBytes file(SmallFile());
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  const auto* panels = static_cast<const float*>(FindTensor(model, Role::kGateUp, 0).data);
  const FloatTensor& source = checkpoint.tensors.at({Role::kGateUp, 0});
  const auto at = [&](uint32_t panel, uint32_t row) { return panels[(panel * 10 + 3) * 16 + row]; };
  for (uint32_t row = 0; row < 16; ++row) {
    CHECK(at(0, row) == source.values[row * 10 + 3]);
    CHECK(at(1, row) == source.values[(19 + row) * 10 + 3]);
    CHECK(at(2, row) == (row < 3 ? source.values[(16 + row) * 10 + 3] : 0.0f));
    CHECK(at(3, row) == (row < 3 ? source.values[(19 + 16 + row) * 10 + 3] : 0.0f));
  }
}

TEST_CASE("a tensor missing, unknown, twice or out of order") {
  const auto status = [](const FileEditor::Edit& edit) {
    FileEditor editor(SmallFile());
    edit(editor.head());
    return OpenStatus(editor.Build());
  };
  for (size_t i = 0; i < 15; ++i) {
    CAPTURE(i);
    CHECK(status([i](schema::ModelT& head) { head.tensors.erase(head.tensors.begin() + i); }) ==
          CLLM_FILE_TENSOR_MISSING);
    CHECK(status([i](schema::ModelT& head) {
            if (i > 0) std::swap(head.tensors[i], head.tensors[i - 1]);
            if (i == 0) std::swap(head.tensors[0], head.tensors[14]);
          }) == CLLM_FILE_TENSOR_UNKNOWN);
    CHECK(status([i](schema::ModelT& head) {
            auto copy = std::make_unique<schema::TensorT>(*head.tensors[i]);
            head.tensors.insert(head.tensors.begin() + i, std::move(copy));
          }) == CLLM_FILE_TENSOR_UNKNOWN);
  }
  CHECK(status([](schema::ModelT& head) { head.tensors.clear(); }) == CLLM_FILE_TENSOR_MISSING);
  const auto add = [](schema::ModelT& head, schema::Role role, uint32_t layer, size_t at) {
    auto extra = std::make_unique<schema::TensorT>(*head.tensors[1]);
    extra->role = role;
    extra->layer = layer;
    head.tensors.insert(head.tensors.begin() + at, std::move(extra));
  };
  CHECK(status([&](schema::ModelT& head) { add(head, schema::Role::position_embedding, 0, 1); }) ==
        CLLM_FILE_TENSOR_UNKNOWN);
  CHECK(status([&](schema::ModelT& head) { add(head, schema::Role::attention_norm, 2, 3); }) ==
        CLLM_FILE_TENSOR_UNKNOWN);
  CHECK(status([&](schema::ModelT& head) { add(head, schema::Role::head, 1, 15); }) ==
        CLLM_FILE_TENSOR_UNKNOWN);
  CHECK(status([&](schema::ModelT& head) { add(head, static_cast<schema::Role>(200), 0, 15); }) ==
        CLLM_FILE_TENSOR_UNKNOWN);
  CHECK(status([](schema::ModelT& head) { head.config->tied_head = true; }) == CLLM_FILE_TENSOR_UNKNOWN);
}

TEST_CASE("a tensor of another shape, type, layout or length") {
  for (const Dtype format :
       {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4, Dtype::kLattice2, Dtype::kLattice4}) {
    const std::string file = SmallFile(format);
    const auto status = [&file](const FileEditor::Edit& edit) {
      FileEditor editor(file);
      edit(editor.head());
      return OpenStatus(editor.Build());
    };
    for (size_t i = 0; i < 15; ++i) {
      CAPTURE(i);
      CHECK(status([i](schema::ModelT& h) { ++h.tensors[i]->rows; }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) { --h.tensors[i]->columns; }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) {
              auto& layout = h.tensors[i]->layout;
              layout = layout == schema::Layout::vector ? schema::Layout::panel16 : schema::Layout::vector;
            }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) { h.tensors[i]->segment->bytes -= 4; }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) { h.tensors[i]->segment->bytes = ~uint64_t{0}; }) ==
            CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) {
              auto& dtype = h.tensors[i]->dtype;
              dtype = dtype == schema::Dtype::f32 ? schema::Dtype::i8 : schema::Dtype::f32;
            }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) {
              auto& dtype = h.tensors[i]->dtype;
              dtype = dtype == schema::Dtype::i4 ? schema::Dtype::i8 : schema::Dtype::i4;
            }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) {
              auto& dtype = h.tensors[i]->dtype;
              dtype = dtype == schema::Dtype::lattice2 ? schema::Dtype::lattice3 : schema::Dtype::lattice2;
            }) == CLLM_FILE_TENSOR_SHAPE);
      CHECK(status([i](schema::ModelT& h) { h.tensors[i]->dtype = static_cast<schema::Dtype>(99); }) ==
            CLLM_UNSUPPORTED_DTYPE);
    }
  }
}

TEST_CASE("integers of all widths in one file, but not floats beside integers") {
  WeightFormats formats = Dtype::kI4;
  formats.Set({Role::kTokenEmbedding, 0}, Dtype::kI8);
  formats.Set({Role::kDown, 1}, Dtype::kI8);
  AlignedBytes file(*WriteModelToString(SmallCheckpoint(), formats));
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  CHECK(model.config.weights == Dtype::kI4);
  CHECK(FindTensor(model, Role::kTokenEmbedding, 0).dtype == Dtype::kI8);
  CHECK(FindTensor(model, Role::kDown, 0).dtype == Dtype::kI4);
  CHECK(FindTensor(model, Role::kDown, 1).dtype == Dtype::kI8);
  formats.Set({Role::kDown, 1}, Dtype::kLattice4);
  formats.Set({Role::kGateUp, 0}, Dtype::kLattice3);
  AlignedBytes lattice(*WriteModelToString(SmallCheckpoint(), formats));
  REQUIRE(OpenModel(lattice.data(), lattice.size(), &model) == CLLM_OK);
  CHECK(model.config.weights == Dtype::kLattice3);
  CHECK(FindTensor(model, Role::kDown, 1).dtype == Dtype::kLattice4);
  formats.Set({Role::kDown, 1}, Dtype::kF32);
  CHECK(OpenStatus(*WriteModelToString(SmallCheckpoint(), formats)) == CLLM_FILE_TENSOR_SHAPE);
}

TEST_CASE("both floats in one file, but no bf16 beside integers") {
  WeightFormats formats = Dtype::kBf16;
  formats.Set({Role::kTokenEmbedding, 0}, Dtype::kF32);
  AlignedBytes file(*WriteModelToString(SmallCheckpoint(), formats));
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  CHECK(model.config.weights == Dtype::kBf16);
  CHECK(FindTensor(model, Role::kTokenEmbedding, 0).dtype == Dtype::kF32);
  CHECK(FindTensor(model, Role::kDown, 0).dtype == Dtype::kBf16);
  CHECK(FindTensor(model, Role::kDown, 0).scales == nullptr);
  CHECK(FindTensor(model, Role::kFinalNorm, 0).dtype == Dtype::kF32);
  formats.Set({Role::kDown, 1}, Dtype::kI8);
  CHECK(OpenStatus(*WriteModelToString(SmallCheckpoint(), formats)) == CLLM_FILE_TENSOR_SHAPE);
}

TEST_CASE("int8 scales follow the panels") {
  AlignedBytes file(SmallFile(Dtype::kI8));
  Model model;
  REQUIRE(OpenModel(file.data(), file.size(), &model) == CLLM_OK);
  for (uint32_t i = 0; i < model.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model, i);
    if (entry.tensor.dtype == Dtype::kF32) continue;
    const uint64_t rows = entry.role == Role::kGateUp ? 64 : PaddedRow(entry.tensor.rows);
    const auto* end = static_cast<const uint8_t*>(entry.tensor.data) + entry.bytes;
    CHECK(reinterpret_cast<const uint8_t*>(entry.tensor.scales + rows) == end);
  }
}

}  // namespace
}  // namespace cllm
