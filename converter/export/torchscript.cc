#include "converter/export/torchscript.h"

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "converter/export/float_bytes.h"
#include "converter/export/torch_builder.h"
#include "converter/export/turns.h"
#include "converter/export/zip_file.h"

namespace cllm {
namespace {

// PyTorch's number of the archive's format, which has the operators as of 1.12.
constexpr char kArchiveVersion[] = "10\n";

// What TorchScript's archives need of Python's pickle, protocol 2.
class Pickle {
 public:
  Pickle() : bytes_("\x80\x02") {}

  Pickle& Global(std::string_view module, std::string_view name) {
    absl::StrAppend(&bytes_, "c", std::string(module), "\n", std::string(name), "\n");
    return *this;
  }
  Pickle& Text(std::string_view text) {
    bytes_ += 'X';
    Append(text.size(), 4);
    bytes_ += text;
    return *this;
  }
  Pickle& Integer(uint64_t value) {
    const bool is_short = value <= INT32_MAX;
    bytes_ += is_short ? "J" : "\x8a\x08";
    Append(value, is_short ? 4 : 8);
    return *this;
  }
  // Opcodes that take nothing.
  Pickle& False() { return Code('\x89'); }
  Pickle& None() { return Code('N'); }
  Pickle& Mark() { return Code('('); }
  Pickle& Tuple() { return Code('t'); }  // of what is above the mark
  Pickle& EmptyTuple() { return Code(')'); }
  Pickle& EmptyDictionary() { return Code('}'); }
  Pickle& SetItems() { return Code('u'); }
  Pickle& NewObject() { return Code('\x81'); }
  Pickle& Build() { return Code('b'); }
  Pickle& Reduce() { return Code('R'); }
  Pickle& PersistentId() { return Code('Q'); }

  std::string Finish() { return Code('.').bytes_; }

 private:
  Pickle& Code(char code) {
    bytes_ += code;
    return *this;
  }
  void Append(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  std::string bytes_;
};

// A float32 tensor whose storage is entry number `storage` of the archive's data.
void AddTensor(const std::vector<uint64_t>& shape, size_t storage, Pickle* pickle) {
  uint64_t count = 1;
  std::vector<uint64_t> strides(shape.size());
  for (size_t axis = shape.size(); axis-- > 0; count *= shape[axis]) strides[axis] = count;
  pickle->Global("torch._utils", "_rebuild_tensor_v2").Mark();
  pickle->Mark().Text("storage").Global("torch", "FloatStorage").Text(absl::StrCat(storage)).Text("cpu");
  pickle->Integer(count).Tuple().PersistentId();
  pickle->Integer(0);  // where in the storage it begins
  for (const auto* list : {&shape, &std::as_const(strides)}) {
    pickle->Mark();
    for (const uint64_t number : *list) pickle->Integer(number);
    pickle->Tuple();
  }
  pickle->False();  // requires no gradient
  pickle->Global("collections", "OrderedDict").EmptyTuple().Reduce();
  pickle->Tuple().Reduce();
}

// The module's attributes.
std::string ModulePickle(const TorchBuilder& builder) {
  Pickle pickle;
  pickle.Global("__torch__", "Model").EmptyTuple().NewObject().EmptyDictionary().Mark();
  pickle.Text("training").False().Text("_is_full_backward_hook").None();
  for (size_t i = 0; i < builder.weights().size(); ++i) {
    pickle.Text(builder.weights()[i].name);
    AddTensor(builder.weights()[i].shape, i, &pickle);
  }
  return pickle.SetItems().Build().Finish();
}

}  // namespace

absl::Status ExportTorchScript(Checkpoint checkpoint, const std::string& path) {
  if (absl::Status status = CheckCheckpoint(checkpoint); !status.ok()) return status;
  RotateByHalves(&checkpoint);
  TorchBuilder builder;
  BuildModelGraph(checkpoint, &builder);
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  ZipFile zip(&*file);
  absl::Status status = zip.Add("model/data.pkl", ModulePickle(builder));
  if (status.ok()) status = zip.Add("model/code/__torch__.py", builder.Source());
  if (status.ok()) status = zip.Add("model/constants.pkl", Pickle().EmptyTuple().Finish());
  if (status.ok()) status = zip.Add("model/version", kArchiveVersion);
  if (status.ok()) status = zip.Add("model/byteorder", "little");
  for (size_t i = 0; status.ok() && i < builder.weights().size(); ++i) {
    status = zip.Add(absl::StrCat("model/data/", i), FloatBytes(builder.weights()[i].values(), Dtype::kF32));
  }
  if (status.ok()) status = zip.Finish();
  if (status.ok()) return file->Commit();
  return absl::Status(status.code(), absl::StrCat(path, " was not written: ", status.message()));
}

}  // namespace cllm
