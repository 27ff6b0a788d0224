#include "converter/export/onnx.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#ifdef CLLM_HAS_PROTOBUF
#include <filesystem>

#include "base/layout.h"
#include "converter/export/float_bytes.h"
#include "converter/export/onnx_builder.h"
#include "converter/export/output_file.h"
#include "converter/export/turns.h"
#endif

namespace cllm {

#ifdef CLLM_HAS_PROTOBUF

namespace {

constexpr int64_t kIrVersion = 9, kOperatorSet = 18;
constexpr uint64_t kMaxMessage = 0x7FFFFFFF;

// The wire format's number of a field that is bytes or a message, and the length of what follows.
std::string FieldStart(int field, uint64_t length) {
  std::string start(1, static_cast<char>(field << 3 | 2));
  for (; length >= 0x80; length >>= 7) start.push_back(static_cast<char>(length | 0x80));
  start.push_back(static_cast<char>(length));
  return start;
}

// Writes one piece after the other.
class Stream {
 public:
  explicit Stream(OutputFile* file) : file_(file) {}
  absl::Status Add(const std::string& bytes) {
    absl::Status status = file_->WriteAt(at_, bytes);
    at_ += bytes.size();
    return status;
  }
  // Zeros.
  void Align(uint64_t to) { at_ = RoundUp(at_, to); }

 private:
  OutputFile* file_;
  uint64_t at_ = 0;
};

onnx::TensorProto Described(const GraphWeights& tensor) {
  onnx::TensorProto message;
  message.set_name(tensor.name);
  message.set_data_type(onnx::TensorProto::FLOAT);
  for (const uint64_t size : tensor.shape) message.add_dims(static_cast<int64_t>(size));
  return message;
}

void SetExternal(const std::string& file, uint64_t offset, uint64_t bytes, onnx::TensorProto* message) {
  message->set_data_location(onnx::TensorProto::EXTERNAL);
  const std::pair<const char*, std::string> entries[] = {
      {"location", file}, {"offset", absl::StrCat(offset)}, {"length", absl::StrCat(bytes)}};
  for (const auto& [key, value] : entries) {
    onnx::StringStringEntryProto* entry = message->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
}

// The fields of the model but for the graph's.
std::string ModelFields(const Checkpoint& checkpoint) {
  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("cllm");
  model.add_opset_import()->set_version(kOperatorSet);
  const std::pair<const char*, std::string> notes[] = {{"source", checkpoint.provenance.source},
                                                       {"licence", checkpoint.provenance.licence}};
  for (const auto& [key, value] : notes) {
    if (value.empty()) continue;
    onnx::StringStringEntryProto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  }
  return model.SerializeAsString();
}

// The model and its graph as messages without the weights, each of which follows as a message of its own: a
// protobuf message is the sequence of its fields, in any order.
absl::Status WriteInline(const std::string& fields, const OnnxBuilder& builder, OutputFile* file) {
  constexpr int kGraph = 7, kInitializer = 5, kRawData = 9;
  const std::string graph = builder.graph().SerializeAsString();
  uint64_t bytes = graph.size();
  std::vector<std::string> starts;
  for (const GraphWeights& tensor : builder.weights()) {
    const std::string described =
        Described(tensor).SerializeAsString() + FieldStart(kRawData, tensor.bytes());
    starts.push_back(FieldStart(kInitializer, described.size() + tensor.bytes()) + described);
    bytes += starts.back().size() + tensor.bytes();
  }
  if (bytes + fields.size() + 16 > kMaxMessage)
    return absl::InternalError(absl::StrCat("an ONNX model of ", bytes, " bytes is no protobuf message"));
  Stream stream(file);
  absl::Status status = stream.Add(fields + FieldStart(kGraph, bytes) + graph);
  for (size_t i = 0; status.ok() && i < starts.size(); ++i) {
    status = stream.Add(starts[i]);
    if (status.ok()) status = stream.Add(FloatBytes(builder.weights()[i].values(), Dtype::kF32));
  }
  return status;
}

// Weights at multiples of a page, for those who map them.
absl::Status WriteExternal(const std::string& fields, const OnnxBuilder& builder, const std::string& path,
                           OutputFile* file) {
  constexpr uint64_t kPage = 4096;
  const std::string data_path = path + ".data", name = std::filesystem::path(data_path).filename().string();
  absl::StatusOr<OutputFile> data = OutputFile::Create(data_path);
  if (!data.ok()) return data.status();
  onnx::ModelProto model;
  model.ParseFromString(fields);
  *model.mutable_graph() = builder.graph();
  Stream stream(&*data);
  uint64_t offset = 0;
  for (const GraphWeights& tensor : builder.weights()) {
    onnx::TensorProto* message = model.mutable_graph()->add_initializer();
    *message = Described(tensor);
    SetExternal(name, offset, tensor.bytes(), message);
    if (absl::Status status = stream.Add(FloatBytes(tensor.values(), Dtype::kF32)); !status.ok())
      return status;
    stream.Align(kPage);
    offset = RoundUp(offset + tensor.bytes(), kPage);
  }
  if (absl::Status status = data->Commit(); !status.ok()) return status;
  return file->WriteAt(0, model.SerializeAsString());
}

}  // namespace

absl::Status ExportOnnx(Checkpoint checkpoint, const OnnxOptions& options, const std::string& path) {
  if (absl::Status status = CheckCheckpoint(checkpoint); !status.ok()) return status;
  RotateByHalves(&checkpoint);
  OnnxBuilder builder(checkpoint.architecture, options.with_past);
  BuildModelGraph(checkpoint, &builder);
  uint64_t bytes = 0;
  for (const GraphWeights& tensor : builder.weights()) bytes += tensor.bytes();
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const std::string fields = ModelFields(checkpoint);
  absl::Status status = bytes > options.inline_bytes ? WriteExternal(fields, builder, path, &*file)
                                                     : WriteInline(fields, builder, &*file);
  return status.ok() ? file->Commit() : status;
}

#else

absl::Status ExportOnnx(Checkpoint, const OnnxOptions&, const std::string&) {
  return absl::UnimplementedError(
      "this cllm was built without protobuf and so writes no ONNX; build it where libprotobuf-dev and "
      "protobuf-compiler are installed");
}

#endif

}  // namespace cllm
