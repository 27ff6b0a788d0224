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

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "converter/import/hugging_face_families.h"
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

// By how much Llama 3 slows the pair whose wave has this length in positions: not at all where it is short,
// by `factor` where it is long, and something between (the frequency's own blend) on the way.
double Llama3Slowing(const Json& scaling, double wavelength) {
  const double factor = JsonNumberOr(scaling, "factor", 8),
               context = JsonNumberOr(scaling, "original_max_position_embeddings", 8192);
  const double low = JsonNumberOr(scaling, "low_freq_factor", 1),
               high = JsonNumberOr(scaling, "high_freq_factor", 4);
  if (wavelength < context / high) return 1;
  if (wavelength > context / low) return factor;
  const double blend = (context / wavelength - low) / (high - low);
  return 1 / ((1 - blend) / factor + blend);
}

// Newer files have theta and scaling in "rope_parameters", older ones theta beside "rope_scaling".
absl::Status TakeRope(const Json& config, Architecture* a) {
  if (!a->variant.rope) return absl::OkStatus();
  const Json& newer = JsonAt(config, "rope_parameters");
  const Json& scaling = newer.is_object() ? newer : JsonAt(config, "rope_scaling");
  a->rope_theta = JsonNumberOr(newer.is_object() ? newer : config, "rope_theta", 10000);
  if (!std::isfinite(a->rope_theta) || a->rope_theta < 1) return Wrong("rope_theta is ", a->rope_theta);
  a->rope_turns = RopeTurns(a->rope_theta, a->head_size);
  if (!scaling.is_object()) return absl::OkStatus();
  const Json& kind = scaling.contains("rope_type") ? JsonAt(scaling, "rope_type") : JsonAt(scaling, "type");
  if (kind == "default") return absl::OkStatus();
  if (kind != "linear" && kind != "llama3")
    return Wrong("the RoPE is scaled by ", kind.dump(), "; linear and llama3 are supported so far");
  for (uint64_t& turns : a->rope_turns) {
    const double before = static_cast<double>(turns);
    const double slowing =
        kind == "linear" ? JsonNumberOr(scaling, "factor", 1) : Llama3Slowing(scaling, 0x1p64 / before);
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
  for (const auto& [tensor, file] : JsonAt(*json, "weight_map").items()) {
    const std::string name = file.is_string() ? file.get<std::string>() : "";
    if (name.empty() || name.find('/') != std::string::npos)
      return Wrong(index, " names no file for ", tensor);
    names.insert(absl::StrCat(folder, "/", name));
  }
  if (names.empty()) return Wrong(index, " has no weight_map");
  return std::vector<std::string>(names.begin(), names.end());
}

// One file after the other, so that no more than one is mapped.
absl::Status TakeWeights(const std::string& folder, const Json& config, Checkpoint* checkpoint) {
  const bool tied = IsHuggingFaceHeadTied(config);
  const absl::StatusOr<std::vector<std::string>> files = WeightFiles(folder);
  if (!files.ok()) return files.status();
  checkpoint->architecture.tied_head = false;
  std::map<std::string, LlamaPart> parts = HuggingFaceParts(config, checkpoint->architecture);
  for (const std::string& path : *files) {
    const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a safetensors file");
    if (!file.ok()) return file.status();
    const auto tensors = ParseSafetensors(file->bytes(), path);
    if (!tensors.ok()) return tensors.status();
    for (const auto& [full_name, tensor] : *tensors) {
      const std::string name(absl::StripPrefix(full_name, "transformer."));
      const auto part = parts.find(name);
      if (part == parts.end()) {
        if (IsHuggingFaceBuffer(name)) continue;
        return Wrong(path, ": tensor ", name, " is there twice, or has no place in its family");
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
  absl::Status status = TakeHuggingFaceSizes(*config, &checkpoint.architecture);
  if (status.ok()) status = TakeRope(*config, &checkpoint.architecture);
  if (!status.ok()) return Wrong(folder, "/config.json: ", status.message());
  if (status = TakeWeights(folder, *config, &checkpoint); !status.ok()) return status;
  if (status = TakeTokenizer(folder, &checkpoint); !status.ok()) return status;
  checkpoint.provenance.source = absl::StrCat(
      "Hugging Face folder ", std::filesystem::absolute(folder).lexically_normal().filename().string());
  checkpoint.provenance.recipe = R"({"import": "hugging_face"})";
  return checkpoint;
}

}  // namespace cllm
