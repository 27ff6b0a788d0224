#include "converter/import/llama2c.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/import/llama2c_tokenizer.h"
#include "converter/import/llama_tensors.h"
#include "converter/import/mapped_file.h"
#include "converter/import/wrong.h"

namespace cllm {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // of versions 1 and 2
constexpr size_t kNumbers = 7, kOldHeaderBytes = kNumbers * sizeof(int32_t), kHeaderBytes = 256;
constexpr uint64_t kMostGroup = 1u << 20;

struct Header {
  Architecture architecture;
  uint32_t version = 0;
  uint64_t group = 0;  // weights that share a scale; version 2
  uint64_t bytes = kOldHeaderBytes;
};

template <class T>
T At(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

// The seven numbers at `offset`; a negative vocabulary, in version 0, means an output head of its own.
absl::StatusOr<Architecture> ReadNumbers(std::string_view bytes, size_t offset, uint32_t version,
                                         const std::string& path) {
  int32_t numbers[kNumbers];
  std::memcpy(numbers, bytes.data() + offset, sizeof(numbers));
  const auto [width, hidden, layers, heads, kv_heads, signed_vocabulary, context] = numbers;
  const int64_t vocabulary =
      signed_vocabulary < 0 && version == 0 ? -int64_t{signed_vocabulary} : signed_vocabulary;
  const bool positive =
      width > 0 && hidden > 0 && layers > 0 && heads > 0 && kv_heads > 0 && vocabulary > 0 && context > 0;
  if (!positive || width % heads != 0) {
    return Wrong(path, " is not a llama2.c checkpoint of version ", version, ": its header says width ",
                 width, ", hidden ", hidden, ", layers ", layers, ", heads ", heads, ", kv_heads ", kv_heads,
                 ", vocabulary ", signed_vocabulary, ", context ", context);
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

absl::StatusOr<Header> ReadHeader(std::string_view bytes, const std::string& path) {
  Header header;
  if (bytes.size() < kOldHeaderBytes)
    return Wrong(path, " is shorter than a llama2.c header (", kOldHeaderBytes, " bytes)");
  size_t offset = 0;
  if (At<uint32_t>(bytes, 0) == kMagic) {
    if (bytes.size() < kHeaderBytes)
      return Wrong(path, " is shorter than a llama2.c header of versions 1 and 2 (", kHeaderBytes, " bytes)");
    header.version = At<uint32_t>(bytes, 4);
    if (header.version != 1 && header.version != 2)
      return Wrong(path, ", byte 4: version ", header.version, " of llama2.c; 0, 1 and 2 are known");
    header.bytes = kHeaderBytes;
    offset = 8;
  }
  absl::StatusOr<Architecture> architecture = ReadNumbers(bytes, offset, header.version, path);
  if (!architecture.ok()) return architecture.status();
  header.architecture = *std::move(architecture);
  if (header.version >= 1) {
    constexpr size_t kShared = 8 + kOldHeaderBytes;
    header.architecture.tied_head = bytes[kShared] != 0;
    if (header.version == 2) header.group = At<uint32_t>(bytes, kShared + 1);
    if (header.version == 2 && (header.group == 0 || header.group > kMostGroup))
      return Wrong(path, ", byte ", kShared + 1, ": groups of ", header.group, " weights; at most ",
                   kMostGroup);
  }
  if (absl::Status status = CheckArchitecture(header.architecture); !status.ok())
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  return header;
}

// A kind of tensor of which the file has all layers' one after the other, or the one outside the layers.
struct Kind {
  Role role;
  uint32_t first, rows;  // of a part of a tensor; rows 0: all of it
};

// In the file's order; the head, if the file has one, comes last.
std::vector<Kind> KindsOf(const Header& header) {
  const Architecture& a = header.architecture;
  const uint32_t queries = a.heads * a.head_size, keys = a.kv_heads * a.head_size;
  const Kind embedding = {Role::kTokenEmbedding, 0, 0}, attention_norm = {Role::kAttentionNorm, 0, 0},
             feed_forward_norm = {Role::kFeedForwardNorm, 0, 0}, final_norm = {Role::kFinalNorm, 0, 0},
             query = {Role::kQueryKeyValue, 0, queries}, key = {Role::kQueryKeyValue, queries, keys},
             value = {Role::kQueryKeyValue, queries + keys, keys}, output = {Role::kAttentionOutput, 0, 0},
             gate = {Role::kGateUp, 0, a.hidden}, down = {Role::kDown, 0, 0},
             up = {Role::kGateUp, a.hidden, a.hidden};
  if (header.version == 0) {
    return {embedding,         attention_norm, query, key, value,     output,
            feed_forward_norm, gate,           down,  up,  final_norm};
  }
  return {
      attention_norm, feed_forward_norm, final_norm, embedding, query, key, value, output, gate, down, up};
}

// Takes tensors from the front of the bytes.
class WeightReader {
 public:
  WeightReader(const Header& header, const SourceFile& file)
      : header_(header),
        file_(file),
        left_(file.bytes.substr(header.bytes)),
        shapes_(TensorShapes(header.architecture)),
        assembly_(header.architecture) {}

  absl::Status Take(const Kind& kind) {
    for (const auto& [key, shape] : shapes_) {
      if (key.first != kind.role) continue;
      StoredTensor tensor;
      tensor.rows = kind.rows == 0 ? shape.first : kind.rows;
      tensor.columns = shape.second;
      tensor.group = IsNorm(kind.role) ? 0 : header_.group;
      tensor.type = FindStoredType(0);
      const uint64_t count = tensor.rows * tensor.columns;
      if (tensor.group != 0 && count % tensor.group != 0) {
        return Wrong(file_.path, ": groups of ", tensor.group, " weights do not divide ", TensorName(key));
      }
      const uint64_t bytes =
          tensor.group != 0 ? count + count / tensor.group * sizeof(float) : count * sizeof(float);
      tensor.bytes = Front(bytes);
      if (tensor.bytes.size() != bytes) return WrongSize();
      const LlamaPart part = {key, kind.first, static_cast<uint32_t>(tensor.rows)};
      if (absl::Status status = assembly_.Add(TensorName(key), part, tensor, file_); !status.ok())
        return status;
    }
    return absl::OkStatus();
  }

  // cos and sin of every position, which this runtime computes itself: two [context][head_size / 2] tables.
  absl::Status SkipFrequencies() {
    const uint64_t bytes =
        uint64_t{header_.architecture.context} * header_.architecture.head_size * sizeof(float);
    return Front(bytes).size() == bytes ? absl::OkStatus() : WrongSize();
  }

  absl::Status Finish(Checkpoint* checkpoint) {
    if (!left_.empty()) return WrongSize();
    assembly_.MoveTo(checkpoint);
    return absl::OkStatus();
  }

 private:
  static bool IsNorm(Role role) {
    return role == Role::kAttentionNorm || role == Role::kFeedForwardNorm || role == Role::kFinalNorm;
  }

  std::string_view Front(uint64_t bytes) {
    const std::string_view front =
        left_.substr(0, static_cast<size_t>(std::min<uint64_t>(bytes, left_.size())));
    left_.remove_prefix(front.size());
    return front;
  }

  absl::Status WrongSize() const {
    const Architecture& a = header_.architecture;
    return Wrong(file_.path, " has ", file_.bytes.size(), " bytes, and its header calls for ",
                 left_.empty() ? "more" : "fewer", ": width ", a.width, ", hidden ", a.hidden, ", layers ",
                 a.layers, ", heads ", a.heads, ", kv_heads ", a.kv_heads, ", vocabulary ", a.vocabulary_size,
                 ", context ", a.context, a.tied_head ? ", tied head" : ", own head",
                 ". It is cut short, or no llama2.c checkpoint of version ", header_.version);
  }

  const Header& header_;
  const SourceFile file_;
  std::string_view left_;
  const std::map<TensorKey, std::pair<uint32_t, uint32_t>> shapes_;
  TensorAssembly assembly_;
};

absl::Status TakeWeights(const Header& header, const SourceFile& file, Checkpoint* checkpoint) {
  WeightReader reader(header, file);
  for (const Kind& kind : KindsOf(header)) {
    if (absl::Status status = reader.Take(kind); !status.ok()) return status;
  }
  if (header.version == 0) {
    if (absl::Status status = reader.SkipFrequencies(); !status.ok()) return status;
  }
  if (!header.architecture.tied_head) {
    if (absl::Status status = reader.Take({Role::kHead, 0, 0}); !status.ok()) return status;
  }
  return reader.Finish(checkpoint);
}

}  // namespace

absl::StatusOr<Checkpoint> StreamLlama2c(const std::string& path, const std::string& tokenizer_path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a llama2.c checkpoint");
  if (!file.ok()) return file.status();
  const absl::StatusOr<Header> header = ReadHeader(file->bytes(), path);
  if (!header.ok()) return header.status();
  Checkpoint checkpoint;
  checkpoint.architecture = header->architecture;
  if (absl::Status status = TakeWeights(*header, {file->bytes(), path}, &checkpoint); !status.ok())
    return status;
  checkpoint.provenance.source = absl::StrCat("llama2.c checkpoint ", path.substr(path.rfind('/') + 1));
  checkpoint.provenance.recipe = absl::StrCat(R"({"import": "llama2.c", "version": )", header->version, "}");
  if (tokenizer_path.empty()) return checkpoint;
  absl::StatusOr<TokenizerTables> tokenizer =
      ImportLlama2cTokenizer(tokenizer_path, checkpoint.architecture.vocabulary_size);
  if (!tokenizer.ok()) return tokenizer.status();
  checkpoint.tokenizer = *std::move(tokenizer);
  return checkpoint;
}

absl::StatusOr<Checkpoint> ImportLlama2c(const std::string& path, const std::string& tokenizer_path) {
  return Loaded(StreamLlama2c(path, tokenizer_path));
}

}  // namespace cllm
