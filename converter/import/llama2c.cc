#include "converter/import/llama2c.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "converter/import/llama2c_tokenizer.h"

namespace cllm {
namespace {

constexpr size_t kHeaderBytes = 7 * sizeof(int32_t);

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

absl::StatusOr<uint64_t> SizeOf(std::FILE* file, const std::string& path) {
  if (::fseeko(file, 0, SEEK_END) != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a regular file; give a llama2.c checkpoint"));
  }
  const off_t size = ::ftello(file);
  std::rewind(file);
  return static_cast<uint64_t>(size);
}

// The seven numbers of the header, of which a negative vocabulary means an output head of its own.
absl::StatusOr<Architecture> ReadHeader(std::FILE* file, const std::string& path) {
  int32_t header[7];
  if (std::fread(header, sizeof(int32_t), 7, file) != 7) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is shorter than a llama2.c header (", kHeaderBytes, " bytes)"));
  }
  const auto [width, hidden, layers, heads, kv_heads, signed_vocabulary, context] = header;
  const int64_t vocabulary = signed_vocabulary < 0 ? -int64_t{signed_vocabulary} : signed_vocabulary;
  const bool positive =
      width > 0 && hidden > 0 && layers > 0 && heads > 0 && kv_heads > 0 && vocabulary > 0 && context > 0;
  if (!positive || width % heads != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is not a llama2.c checkpoint of version 0: its header says width ", width,
                     ", hidden ", hidden, ", layers ", layers, ", heads ", heads, ", kv_heads ", kv_heads,
                     ", vocabulary ", signed_vocabulary, ", context ", context));
  }
  Architecture a;
  a.width = static_cast<uint32_t>(width);
  a.hidden = static_cast<uint32_t>(hidden);
  a.layers = static_cast<uint32_t>(layers);
  a.heads = static_cast<uint32_t>(heads);
  a.kv_heads = static_cast<uint32_t>(kv_heads);
  a.vocabulary_size = static_cast<uint32_t>(vocabulary);
  a.context = static_cast<uint32_t>(context);
  a.head_size = a.width / a.heads;
  a.tied_head = signed_vocabulary > 0;
  return a;
}

// Reads weights in the file's order: one kind of tensor for all layers, then the next kind.
class WeightReader {
 public:
  WeightReader(std::FILE* file, const std::string& path, Checkpoint* checkpoint)
      : file_(file), path_(path), checkpoint_(checkpoint), shapes_(TensorShapes(checkpoint->architecture)) {}

  // Rows [first_row, first_row + rows) of a tensor; rows 0 means all.
  absl::Status Read(Role role, uint32_t layer, uint32_t first_row, uint32_t rows) {
    const auto [all_rows, columns] = shapes_.at({role, layer});
    FloatTensor& tensor = checkpoint_->tensors[{role, layer}];
    tensor.rows = all_rows;
    tensor.columns = columns;
    tensor.values.resize(uint64_t{all_rows} * columns);
    const uint64_t count = uint64_t{rows == 0 ? all_rows : rows} * columns;
    float* values = tensor.values.data() + uint64_t{first_row} * columns;
    if (std::fread(values, sizeof(float), count, file_) == count) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(path_, " ended in ", TensorName({role, layer})));
  }

  absl::Status ReadLayers(Role role, uint32_t first_row, uint32_t rows) {
    for (uint32_t layer = 0; layer < checkpoint_->architecture.layers; ++layer) {
      if (absl::Status status = Read(role, layer, first_row, rows); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Skip(uint64_t floats) {
    if (::fseeko(file_, static_cast<off_t>(floats * sizeof(float)), SEEK_CUR) == 0) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(path_, " cannot be read further"));
  }

 private:
  std::FILE* file_;
  const std::string& path_;
  Checkpoint* checkpoint_;
  std::map<TensorKey, std::pair<uint32_t, uint32_t>> shapes_;
};

// cos and sin of every position, which this runtime computes itself: two [context][head_size / 2] tables.
uint64_t FrequencyFloats(const Architecture& a) { return uint64_t{a.context} * a.head_size; }

absl::Status CheckSize(const Architecture& a, uint64_t size, const std::string& path) {
  uint64_t floats = FrequencyFloats(a);
  for (const auto& [key, shape] : TensorShapes(a)) floats += uint64_t{shape.first} * shape.second;
  const uint64_t wanted = kHeaderBytes + floats * sizeof(float);
  if (size == wanted) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      path, " has ", size, " bytes, but its header calls for ", wanted, ": width ", a.width, ", hidden ",
      a.hidden, ", layers ", a.layers, ", heads ", a.heads, ", kv_heads ", a.kv_heads, ", vocabulary ",
      a.vocabulary_size, ", context ", a.context, a.tied_head ? ", tied head" : ", own head",
      ". It is cut short, or no llama2.c checkpoint of version 0"));
}

absl::Status ReadWeights(WeightReader* reader, const Architecture& a) {
  const uint32_t queries = a.heads * a.head_size;
  const uint32_t keys = a.kv_heads * a.head_size;
  const struct {
    Role role;
    uint32_t first_row, rows;
  } layer_tensors[] = {{Role::kAttentionNorm, 0, 0},
                       {Role::kQueryKeyValue, 0, queries},
                       {Role::kQueryKeyValue, queries, keys},
                       {Role::kQueryKeyValue, queries + keys, keys},
                       {Role::kAttentionOutput, 0, 0},
                       {Role::kFeedForwardNorm, 0, 0},
                       {Role::kGateUp, 0, a.hidden},          // w1
                       {Role::kDown, 0, 0},                   // w2
                       {Role::kGateUp, a.hidden, a.hidden}};  // w3
  if (absl::Status status = reader->Read(Role::kTokenEmbedding, 0, 0, 0); !status.ok()) return status;
  for (const auto& t : layer_tensors) {
    if (absl::Status status = reader->ReadLayers(t.role, t.first_row, t.rows); !status.ok()) return status;
  }
  if (absl::Status status = reader->Read(Role::kFinalNorm, 0, 0, 0); !status.ok()) return status;
  if (a.tied_head) return absl::OkStatus();
  if (absl::Status status = reader->Skip(FrequencyFloats(a)); !status.ok()) return status;
  return reader->Read(Role::kHead, 0, 0, 0);
}

}  // namespace

absl::StatusOr<Checkpoint> ImportLlama2c(const std::string& path, const std::string& tokenizer_path) {
  const File file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  const absl::StatusOr<uint64_t> size = SizeOf(file.get(), path);
  if (!size.ok()) return size.status();
  const absl::StatusOr<Architecture> architecture = ReadHeader(file.get(), path);
  if (!architecture.ok()) return architecture.status();
  Checkpoint checkpoint;
  checkpoint.architecture = *architecture;
  if (absl::Status status = CheckArchitecture(*architecture); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  if (absl::Status status = CheckSize(*architecture, *size, path); !status.ok()) return status;
  WeightReader reader(file.get(), path, &checkpoint);
  if (absl::Status status = ReadWeights(&reader, *architecture); !status.ok()) return status;
  checkpoint.provenance.source = absl::StrCat("llama2.c checkpoint ", path.substr(path.rfind('/') + 1));
  checkpoint.provenance.recipe = R"({"import": "llama2.c", "version": 0})";
  if (tokenizer_path.empty()) return checkpoint;
  absl::StatusOr<TokenizerTables> tokenizer =
      ImportLlama2cTokenizer(tokenizer_path, architecture->vocabulary_size);
  if (!tokenizer.ok()) return tokenizer.status();
  checkpoint.tokenizer = *std::move(tokenizer);
  return checkpoint;
}

}  // namespace cllm
