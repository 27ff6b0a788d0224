#include "converter/import/hugging_face.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "converter/import/llama_tensors.h"
#include "converter/import/mapped_file.h"
#include "converter/import/safetensors.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

absl::StatusOr<Json> ReadJson(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a JSON file");
  if (!file.ok()) return file.status();
  Json json = Json::parse(file->bytes(), nullptr, false);
  if (!json.is_object()) return Wrong(path, " is no JSON object");
  return json;
}

// The value under a key, or null.
const Json& Get(const Json& object, const char* key) {
  static const Json* const null = new Json();
  const auto found = object.find(key);
  return found == object.end() ? *null : *found;
}

double NumberOr(const Json& object, const char* key, double fallback) {
  const Json& value = Get(object, key);
  return value.is_number() ? value.get<double>() : fallback;
}

bool IsTrue(const Json& object, const char* key) { return Get(object, key) == Json(true); }

// fallback 0: there must be one.
absl::Status TakeCount(const Json& config, const char* key, uint32_t fallback, uint32_t* out) {
  const Json& value = Get(config, key);
  if (value.is_null() && fallback != 0) {
    *out = fallback;
    return absl::OkStatus();
  }
  if (!value.is_number_unsigned() || value.get<uint64_t>() > std::numeric_limits<uint32_t>::max())
    return Wrong(key, " is missing, or no whole number");
  *out = value.get<uint32_t>();
  return absl::OkStatus();
}

absl::Status CheckKind(const Json& config) {
  const Json& type = Get(config, "model_type");
  if (type != "llama" && type != "mistral")
    return Wrong("model_type is ", type.dump(), "; llama and mistral are supported so far");
  const Json& activation = Get(config, "hidden_act");
  if (!activation.is_null() && activation != "silu")
    return Wrong("hidden_act is ", activation.dump(), "; only \"silu\" is supported");
  for (const char* bias : {"attention_bias", "mlp_bias"}) {
    if (IsTrue(config, bias)) return Wrong(bias, " is true, which is not supported");
  }
  const Json& window = Get(config, "sliding_window");
  if (window.is_number() && window.get<double>() < NumberOr(config, "max_position_embeddings", 0))
    return Wrong("sliding_window is ", window.dump(), ", less than the context, which is not supported");
  return absl::OkStatus();
}

absl::Status TakeSizes(const Json& config, Architecture* a) {
  const struct {
    const char* key;
    uint32_t* out;
  } counts[] = {{"vocab_size", &a->vocabulary_size}, {"max_position_embeddings", &a->context},
                {"hidden_size", &a->width},          {"num_hidden_layers", &a->layers},
                {"num_attention_heads", &a->heads},  {"intermediate_size", &a->hidden}};
  for (const auto& count : counts) {
    if (absl::Status status = TakeCount(config, count.key, 0, count.out); !status.ok()) return status;
  }
  if (a->heads == 0) return Wrong("num_attention_heads is 0");
  if (absl::Status s = TakeCount(config, "num_key_value_heads", a->heads, &a->kv_heads); !s.ok()) return s;
  if (absl::Status s = TakeCount(config, "head_dim", a->width / a->heads, &a->head_size); !s.ok()) return s;
  a->norm_epsilon = static_cast<float>(NumberOr(config, "rms_norm_eps", 1e-6));
  a->rope_pairs = RopePairs::kHalves;
  return CheckArchitecture(*a);
}

// By how much Llama 3 slows the pair whose wave has this length in positions: not at all where it is short,
// by `factor` where it is long, and something between (the frequency's own blend) on the way.
double Llama3Slowing(const Json& scaling, double wavelength) {
  const double factor = NumberOr(scaling, "factor", 8),
               context = NumberOr(scaling, "original_max_position_embeddings", 8192);
  const double low = NumberOr(scaling, "low_freq_factor", 1), high = NumberOr(scaling, "high_freq_factor", 4);
  if (wavelength < context / high) return 1;
  if (wavelength > context / low) return factor;
  const double blend = (context / wavelength - low) / (high - low);
  return 1 / ((1 - blend) / factor + blend);
}

// Newer files have theta and scaling in "rope_parameters", older ones theta beside "rope_scaling".
absl::Status TakeRope(const Json& config, Architecture* a) {
  const Json& newer = Get(config, "rope_parameters");
  const Json& scaling = newer.is_object() ? newer : Get(config, "rope_scaling");
  a->rope_theta = NumberOr(newer.is_object() ? newer : config, "rope_theta", 10000);
  if (!std::isfinite(a->rope_theta) || a->rope_theta < 1) return Wrong("rope_theta is ", a->rope_theta);
  a->rope_turns = RopeTurns(a->rope_theta, a->head_size);
  if (!scaling.is_object()) return absl::OkStatus();
  const Json& kind = scaling.contains("rope_type") ? Get(scaling, "rope_type") : Get(scaling, "type");
  if (kind == "default") return absl::OkStatus();
  if (kind != "linear" && kind != "llama3")
    return Wrong("the RoPE is scaled by ", kind.dump(), "; linear and llama3 are supported so far");
  for (uint64_t& turns : a->rope_turns) {
    const double before = static_cast<double>(turns);
    const double slowing =
        kind == "linear" ? NumberOr(scaling, "factor", 1) : Llama3Slowing(scaling, 0x1p64 / before);
    if (!std::isfinite(slowing) || slowing < 1) return Wrong("the factor of the RoPE is ", slowing);
    if (slowing > 1) turns = static_cast<uint64_t>(std::round(before / slowing));
  }
  return absl::OkStatus();
}

// The files that hold the weights: one, or those of the index.
absl::StatusOr<std::vector<std::string>> WeightFiles(const std::string& folder) {
  const std::string one = folder + "/model.safetensors", index = one + ".index.json";
  if (std::filesystem::exists(one)) return std::vector<std::string>{one};
  if (!std::filesystem::exists(index))
    return Wrong(folder,
                 " has no model.safetensors and no index of shards; weights of other kinds cannot be read");
  const absl::StatusOr<Json> json = ReadJson(index);
  if (!json.ok()) return json.status();
  std::set<std::string> names;
  for (const auto& [tensor, file] : Get(*json, "weight_map").items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos)
      return Wrong(index, " names no file for ", tensor);
    names.insert(absl::StrCat(folder, "/", name));
  }
  if (names.empty()) return Wrong(index, " has no weight_map");
  return std::vector<std::string>(names.begin(), names.end());
}

// One file after the other, so that no more than one is mapped.
absl::Status TakeWeights(const std::string& folder, bool tied, Checkpoint* checkpoint) {
  const absl::StatusOr<std::vector<std::string>> files = WeightFiles(folder);
  if (!files.ok()) return files.status();
  checkpoint->architecture.tied_head = false;
  std::map<std::string, LlamaPart> parts = LlamaParts(checkpoint->architecture, kHuggingFaceNames);
  for (const std::string& path : *files) {
    const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a safetensors file");
    if (!file.ok()) return file.status();
    const auto tensors = ParseSafetensors(file->bytes(), path);
    if (!tensors.ok()) return tensors.status();
    for (const auto& [name, tensor] : *tensors) {
      const auto part = parts.find(name);
      if (part == parts.end()) {
        if (absl::EndsWith(name, ".rotary_emb.inv_freq")) continue;  // follows from the configuration
        return Wrong(path, ": tensor ", name, " is there twice, or has no place in a Llama");
      }
      if (!tied || name != kHuggingFaceNames.head) {
        absl::Status status =
            PlaceTensor(name, part->second, tensor.rows, tensor.columns, Dequantize(tensor), checkpoint);
        if (!status.ok()) return Wrong(path, ": ", status.message());
      }
      parts.erase(part);
    }
  }
  // A file without a head shares the embedding.
  checkpoint->architecture.tied_head = tied || parts.erase(kHuggingFaceNames.head) == 1;
  parts.erase(kHuggingFaceNames.head);
  if (!parts.empty()) return Wrong(folder, ": tensor ", parts.begin()->first, " is missing");
  return absl::OkStatus();
}

absl::Status TakeTokenizer(const std::string& folder, Checkpoint* checkpoint) {
  const std::string path = folder + "/tokenizer.json", config_path = folder + "/tokenizer_config.json";
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  const absl::StatusOr<Json> json = ReadJson(path);
  if (!json.ok()) return json.status();
  absl::StatusOr<Json> config = Json();
  if (std::filesystem::exists(config_path)) config = ReadJson(config_path);
  if (!config.ok()) return config.status();
  absl::StatusOr<TokenizerTables> tables =
      ImportHuggingFaceTokenizer(*json, *config, checkpoint->architecture.vocabulary_size);
  if (!tables.ok()) return Wrong(path, ": ", tables.status().message());
  checkpoint->tokenizer = *std::move(tables);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Checkpoint> ImportHuggingFace(const std::string& folder) {
  const absl::StatusOr<Json> config = ReadJson(folder + "/config.json");
  if (!config.ok()) return config.status();
  Checkpoint checkpoint;
  absl::Status status = CheckKind(*config);
  if (status.ok()) status = TakeSizes(*config, &checkpoint.architecture);
  if (status.ok()) status = TakeRope(*config, &checkpoint.architecture);
  if (!status.ok()) return Wrong(folder, "/config.json: ", status.message());
  if (status = TakeWeights(folder, IsTrue(*config, "tie_word_embeddings"), &checkpoint); !status.ok())
    return status;
  if (status = TakeTokenizer(folder, &checkpoint); !status.ok()) return status;
  checkpoint.provenance.source = absl::StrCat(
      "Hugging Face folder ", std::filesystem::absolute(folder).lexically_normal().filename().string());
  checkpoint.provenance.recipe = R"({"import": "hugging_face"})";
  return checkpoint;
}

}  // namespace cllm
