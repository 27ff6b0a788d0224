#include "converter/import/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/import/gguf_families.h"
#include "converter/import/llama_tensors.h"
#include "converter/import/mapped_file.h"
#include "converter/import/wrong.h"

namespace cllm {
namespace {

// "llama." and the key. `fallback` where it is absent, an error if there is none.
absl::Status TakeCount(const GgufContents& contents, const char* key, const uint32_t* fallback,
                       uint32_t* out) {
  const std::string name = absl::StrCat("llama.", key);
  const auto* stored = FindGguf<uint64_t>(contents, name);
  if (stored == nullptr && fallback == nullptr) return Wrong(name, " is missing, or no whole number");
  if (stored != nullptr && *stored > UINT32_MAX) return Wrong(name, " is ", *stored, ", which is too large");
  *out = stored != nullptr ? static_cast<uint32_t>(*stored) : *fallback;
  return absl::OkStatus();
}

absl::Status TakeSizes(const GgufContents& contents, Architecture* a) {
  const auto embedding = contents.tensors.find("token_embd.weight");
  if (embedding == contents.tensors.end()) return Wrong("tensor token_embd.weight is missing");
  a->vocabulary_size = static_cast<uint32_t>(embedding->second.rows);
  const struct {
    const char* key;
    const uint32_t* fallback;
    uint32_t* out;
  } counts[] = {{"context_length", nullptr, &a->context},
                {"embedding_length", nullptr, &a->width},
                {"block_count", nullptr, &a->layers},
                {"attention.head_count", nullptr, &a->heads},
                {"attention.head_count_kv", &a->heads, &a->kv_heads},
                {"feed_forward_length", nullptr, &a->hidden}};
  for (const auto& count : counts) {
    if (absl::Status status = TakeCount(contents, count.key, count.fallback, count.out); !status.ok())
      return status;
  }
  if (a->heads == 0) return Wrong("llama.attention.head_count is 0");
  const uint32_t even = a->width / a->heads;
  uint32_t rotated, values;
  if (absl::Status s = TakeCount(contents, "attention.key_length", &even, &a->head_size); !s.ok()) return s;
  if (absl::Status s = TakeCount(contents, "attention.value_length", &a->head_size, &values); !s.ok())
    return s;
  if (absl::Status s = TakeCount(contents, "rope.dimension_count", &a->head_size, &rotated); !s.ok())
    return s;
  if (values != a->head_size || rotated != a->head_size) {
    return Wrong("keys have ", a->head_size, " elements a head, of which ", rotated, " rotate, values ",
                 values, "; they must be one number");
  }
  const auto* epsilon = FindGguf<double>(contents, "llama.attention.layer_norm_rms_epsilon");
  if (epsilon == nullptr) return Wrong("llama.attention.layer_norm_rms_epsilon is missing");
  a->norm_epsilon = static_cast<float>(*epsilon);
  a->rope_pairs = RopePairs::kAdjacent;
  a->tied_head = !contents.tensors.contains("output.weight");
  return CheckArchitecture(*a);
}

// Frequencies of an unscaled RoPE, divided by one number or by one for each pair.
absl::Status TakeRope(const GgufContents& contents, Architecture* a) {
  const auto* base = FindGguf<double>(contents, "llama.rope.freq_base");
  if (base != nullptr) a->rope_theta = *base;
  if (!std::isfinite(a->rope_theta) || a->rope_theta < 1)
    return Wrong("llama.rope.freq_base is ", a->rope_theta);
  std::vector<float> factors(a->head_size / 2, 1.0f);
  const auto* scaling = FindGguf<std::string_view>(contents, "llama.rope.scaling.type");
  if (scaling != nullptr && *scaling != "none" && *scaling != "linear")
    return Wrong("llama.rope.scaling.type is ", std::string(*scaling), ", which is not supported");
  const auto* factor = FindGguf<double>(contents, "llama.rope.scaling.factor");
  if (scaling != nullptr && *scaling == "linear" && factor != nullptr)
    std::fill(factors.begin(), factors.end(), static_cast<float>(*factor));
  const auto stored = contents.tensors.find("rope_freqs.weight");
  if (stored != contents.tensors.end()) {
    if (stored->second.rows * stored->second.columns != factors.size())
      return Wrong("tensor rope_freqs.weight does not have ", factors.size(), " elements");
    factors = Dequantize(stored->second);
  }
  a->rope_turns = RopeTurns(a->rope_theta, a->head_size);
  for (size_t i = 0; i < factors.size(); ++i) {
    if (factors[i] == 1.0f) continue;  // exact
    if (!std::isfinite(factors[i]) || factors[i] < 1.0f) return Wrong("a factor of the RoPE is ", factors[i]);
    a->rope_turns[i] = static_cast<uint64_t>(
        std::round(static_cast<double>(a->rope_turns[i]) / static_cast<double>(factors[i])));
  }
  return absl::OkStatus();
}

absl::Status TakeTensors(const GgufContents& contents, const SourceFile& file, Checkpoint* checkpoint) {
  const std::map<std::string, LlamaPart> parts = GgufParts(contents, checkpoint->architecture);
  for (const auto& [name, tensor] : contents.tensors) {
    if (!parts.contains(name) && !IsGgufBuffer(name))
      return Wrong("tensor ", name, " has no place in the architectures that are supported");
  }
  TensorAssembly assembly(checkpoint->architecture);
  for (const auto& [name, part] : parts) {
    const auto found = contents.tensors.find(name);
    if (found == contents.tensors.end()) return Wrong("tensor ", name, " is missing");
    if (absl::Status status = assembly.Add(name, part, found->second, file); !status.ok()) return status;
  }
  assembly.MoveTo(checkpoint);
  return absl::OkStatus();
}

std::string TextOf(const GgufContents& contents, std::string_view key) {
  const auto* text = FindGguf<std::string_view>(contents, key);
  return text == nullptr ? "" : std::string(*text);
}

absl::Status TakeModel(const GgufContents& contents, const SourceFile& file, Checkpoint* checkpoint) {
  const std::string architecture = TextOf(contents, "general.architecture");
  absl::Status status;
  if (architecture == "llama") {
    status = TakeSizes(contents, &checkpoint->architecture);
    if (status.ok()) status = TakeRope(contents, &checkpoint->architecture);
  } else if (IsGgufFamily(architecture)) {
    status = TakeGgufFamily(contents, architecture, &checkpoint->architecture);
  } else {
    status =
        Wrong("general.architecture is '", architecture,
              "'; llama, qwen2, qwen3, phi3, gemma, gemma2, gemma3, gpt2 and gptneox are supported so far");
  }
  if (!status.ok()) return status;
  if (status = TakeTensors(contents, file, checkpoint); !status.ok()) return status;
  const std::string kind = TextOf(contents, "tokenizer.ggml.model");
  if (kind.empty() || kind == "no_vocab" || kind == "none") return absl::OkStatus();
  absl::StatusOr<TokenizerTables> tokenizer = ImportGgufTokenizer(contents);
  if (absl::IsUnimplemented(tokenizer.status())) {
    checkpoint->without_tokenizer =
        absl::StrCat("the tokenizer was left behind: ", tokenizer.status().message());
    return absl::OkStatus();
  }
  if (!tokenizer.ok()) return tokenizer.status();
  checkpoint->tokenizer = *std::move(tokenizer);
  return absl::OkStatus();
}

// `path` stands for the file in errors.
absl::StatusOr<Checkpoint> Stream(const SourceFile& file, const std::string& path) {
  const absl::StatusOr<GgufContents> contents = ParseGguf(file.bytes, path);
  if (!contents.ok()) return contents.status();
  Checkpoint checkpoint;
  if (absl::Status status = TakeModel(*contents, file, &checkpoint); !status.ok())
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  const std::string name = TextOf(*contents, "general.name");
  checkpoint.provenance.source = name.empty() ? path.substr(path.rfind('/') + 1) : name;
  checkpoint.provenance.licence = TextOf(*contents, "general.license");
  checkpoint.provenance.recipe = R"({"import": "gguf"})";
  return checkpoint;
}

}  // namespace

absl::StatusOr<Checkpoint> StreamGguf(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a GGUF file");
  if (!file.ok()) return file.status();
  return Stream({file->bytes(), path}, path);
}

absl::StatusOr<Checkpoint> ImportGguf(const std::string& path) { return Loaded(StreamGguf(path)); }

absl::StatusOr<Checkpoint> ImportGgufBytes(std::string_view bytes, const std::string& path) {
  return Loaded(Stream({bytes, ""}, path));
}

}  // namespace cllm
