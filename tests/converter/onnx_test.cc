#include "converter/export/onnx.h"

#include "doctest/doctest.h"
#include "support/file_tools.h"
#include "support/random_model.h"

#ifdef CLLM_HAS_PROTOBUF
#include <cstring>
#include <map>
#include <set>

#include "converter/export/onnx.pb.h"
#endif

namespace cllm {
namespace {

using testing::ReadBytes;
using testing::TemporaryDirectory;

#ifdef CLLM_HAS_PROTOBUF

onnx::ModelProto Read(const std::string& path) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(ReadBytes(path)));
  return model;
}

onnx::ModelProto Exported(const Checkpoint& checkpoint, const OnnxOptions& options, const std::string& path) {
  const absl::Status status = ExportOnnx(checkpoint, options, path);
  REQUIRE_MESSAGE(status.ok(), status.message());
  return Read(path);
}

std::string Axes(const onnx::ValueInfoProto& info) {
  std::string axes;
  for (const auto& axis : info.type().tensor_type().shape().dim())
    axes += (axis.dim_param().empty() ? std::to_string(axis.dim_value()) : axis.dim_param()) + ", ";
  return axes;
}

template <typename List>
std::map<std::string, std::string> Described(const List& list) {
  std::map<std::string, std::string> described;
  for (const auto& info : list) described[info.name()] = Axes(info);
  return described;
}

// Each input of a node is known before it, each output new, and all outputs of the graph are there.
void CheckOrder(const onnx::GraphProto& graph) {
  std::set<std::string> known;
  for (const auto& tensor : graph.initializer()) CHECK(known.insert(tensor.name()).second);
  for (const auto& input : graph.input()) CHECK(known.insert(input.name()).second);
  for (const auto& node : graph.node()) {
    for (const auto& input : node.input()) CHECK_MESSAGE(known.count(input) == 1, input);
    for (const auto& output : node.output()) CHECK_MESSAGE(known.insert(output).second, output);
  }
  for (const auto& output : graph.output()) CHECK_MESSAGE(known.count(output.name()) == 1, output.name());
}

TEST_CASE("ONNX: inputs and outputs have transformers' names and axes") {
  const TemporaryDirectory folder;
  const std::string path = folder.path() + "/model.onnx";
  const Checkpoint checkpoint = testing::RandomCheckpoint(testing::TinyArchitecture(), 1);
  using Names = std::map<std::string, std::string>;
  const onnx::ModelProto plain = Exported(checkpoint, {}, path);
  CHECK(plain.opset_import(0).version() == 18);
  CheckOrder(plain.graph());
  CHECK(Described(plain.graph().input()) == Names{{"input_ids", "batch_size, sequence_length, "},
                                                  {"attention_mask", "batch_size, sequence_length, "},
                                                  {"position_ids", "batch_size, sequence_length, "}});
  CHECK(Described(plain.graph().output()) == Names{{"logits", "batch_size, sequence_length, 21, "}});

  OnnxOptions options;
  options.with_past = true;
  const onnx::ModelProto past = Exported(checkpoint, options, path);
  CheckOrder(past.graph());
  Names inputs = Described(past.graph().input()), outputs = Described(past.graph().output());
  CHECK(inputs.size() == 7);
  CHECK(outputs.size() == 5);
  CHECK(inputs["attention_mask"] == "batch_size, past_sequence_length + sequence_length, ");
  CHECK(inputs["past_key_values.1.value"] == "batch_size, 2, past_sequence_length, 6, ");
  CHECK(outputs["present.0.key"] == "batch_size, 2, past_sequence_length + sequence_length, 6, ");
}

TEST_CASE("ONNX: every architecture, and weights in a file of their own") {
  std::mt19937 random(5);
  const TemporaryDirectory folder;
  const std::string path = folder.path() + "/model.onnx";
  OnnxOptions external;
  external.inline_bytes = 0;
  for (int i = 0; i < 20; ++i) {
    const Checkpoint checkpoint = testing::RandomCheckpoint(testing::RandomVariant(random), 1);
    const onnx::ModelProto inside = Exported(checkpoint, {}, path),
                           outside = Exported(checkpoint, external, path);
    CheckOrder(inside.graph());
    CheckOrder(outside.graph());
    const std::string data = ReadBytes(path + ".data");
    std::map<std::string, std::string> values;
    for (const auto& tensor : inside.graph().initializer()) values[tensor.name()] = tensor.raw_data();
    REQUIRE(inside.graph().initializer_size() == outside.graph().initializer_size());
    for (const auto& tensor : outside.graph().initializer()) {
      if (tensor.data_location() != onnx::TensorProto::EXTERNAL) continue;
      CHECK(tensor.external_data(0).value() == "model.onnx.data");
      const size_t offset = std::stoul(tensor.external_data(1).value()),
                   bytes = std::stoul(tensor.external_data(2).value());
      CHECK(offset % 4096 == 0);
      CHECK(bytes > 0);
      CHECK(data.substr(offset, bytes) == values[tensor.name()]);
    }
  }
}

TEST_CASE("ONNX: a tensor is there in its whole size, matrices turned") {
  const TemporaryDirectory folder;
  const Checkpoint checkpoint = testing::RandomCheckpoint(testing::TinyArchitecture(), 1);
  const onnx::ModelProto model = Exported(checkpoint, {}, folder.path() + "/model.onnx");
  const FloatTensor& down = checkpoint.tensors.at({Role::kDown, 1});
  size_t found = 0;
  for (const auto& tensor : model.graph().initializer()) {
    if (tensor.name() != "layers.1.down") continue;
    ++found;
    REQUIRE(tensor.dims_size() == 2);
    CHECK(tensor.dims(0) == 19);
    CHECK(tensor.dims(1) == 12);
    REQUIRE(tensor.raw_data().size() == sizeof(float) * 19 * 12);
    std::vector<float> values(19 * 12);
    std::memcpy(values.data(), tensor.raw_data().data(), tensor.raw_data().size());
    for (size_t k = 0; k < 19; ++k) CHECK(values[k * 12 + 5] == down.values[5 * 19 + k]);
  }
  CHECK(found == 1);
}

#else

TEST_CASE("ONNX: without protobuf it is refused") {
  const TemporaryDirectory folder;
  const absl::Status status = ExportOnnx(testing::RandomCheckpoint(testing::TinyArchitecture(), 1), {},
                                         folder.path() + "/model.onnx");
  CHECK(status.message().find("protobuf") != absl::string_view::npos);
  CHECK(std::filesystem::is_empty(folder.path()));
}

#endif

}  // namespace
}  // namespace cllm
