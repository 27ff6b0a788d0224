#include "converter/import/hugging_face.h"

#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/import/hugging_face_families.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/hugging_face_rope.h"
#include "converter/import/llama_tensors.h"
#include "converter/import/mapped_file.h"
#include "converter/import/safetensors.h"
#include "converter/import/sentencepiece_model.h"
#include "converter/import/wrong.h"
#include "converter/json/json_text.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

absl::StatusOr<Json> ReadJson(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a JSON file");
  if (!file.ok()) return file.status();
  Json json = ParseJson(file->bytes());
  if (json.is_discarded()) return Wrong(path, " is no JSON: ", WhyNoJson(file->bytes()), ". Copy it again");
  if (!json.is_object())
    return Wrong(path, ", byte 0: expected a JSON object, {...}, found ", json.type_name());
  return json;
}

// Values that have defaults, which one of another kind must not become.
absl::Status CheckNumbers(const Json& config) {
  for (const char* key :
       {"rope_theta", "rotary_emb_base", "rope_local_base_freq", "partial_rotary_factor", "rotary_pct",
        "rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "attn_logit_softcapping",
        "final_logit_softcapping", "query_pre_attn_scalar"}) {
    const Json& value = JsonAt(config, key);
    if (!value.is_null() && !value.is_number())
      return Wrong(key, " is ", JsonText(value), ", which is no number");
  }
  return absl::OkStatus();
}

// The files that hold the weights: one, or those of the index.
absl::StatusOr<std::vector<std::string>> WeightFiles(const std::string& folder) {
  const std::string one = folder + "/model.safetensors", index = one + ".index.json";
  if (std::filesystem::exists(one)) return std::vector<std::string>{one};
  if (!std::filesystem::exists(index))
    return Wrong(
        folder,
        " has no model.safetensors and no index of shards; weights of other kinds, such as "
        "pytorch_model.bin, cannot be read: transformers' save_pretrained writes safetensors of them");
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
  TensorAssembly assembly(checkpoint->architecture);
  for (const std::string& path : *files) {
    const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a safetensors file");
    if (!file.ok()) return file.status();
    const auto tensors = ParseSafetensors(file->bytes(), path, [](const std::string& name) {
      return IsHuggingFaceBuffer(HuggingFaceTensorName(name));
    });
    if (!tensors.ok()) return tensors.status();
    for (const auto& [full_name, tensor] : *tensors) {
      const std::string name = HuggingFaceTensorName(full_name);
      const auto part = parts.find(name);
      if (part == parts.end())
        return Wrong(path, ": tensor ", name,
                     " is there twice, or has no place in the family and the number of "
                     "layers of config.json");
      if (!tied || name != kHuggingFaceNames.head) {
        absl::Status status = assembly.Add(name, part->second, tensor, {file->bytes(), path});
        if (!status.ok()) return Wrong(path, ": ", status.message());
      }
      parts.erase(part);
    }
  }
  // A file without a head shares the embedding.
  checkpoint->architecture.tied_head = tied || parts.erase(kHuggingFaceNames.head) == 1;
  parts.erase(kHuggingFaceNames.head);
  if (!parts.empty())
    return Wrong(folder, ": tensor ", parts.begin()->first,
                 " is missing: a shard is not there, or config.json is of another model");
  assembly.MoveTo(checkpoint);
  return absl::OkStatus();
}

// eos_token_id of generation_config.json, one or several: each of them ends a text.
absl::Status TakeEndTokens(const std::string& folder, TokenizerTables* tables) {
  const std::string path = folder + "/generation_config.json";
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  const absl::StatusOr<Json> config = ReadJson(path);
  if (!config.ok()) return config.status();
  const Json& ids = JsonAt(*config, "eos_token_id");
  for (const Json& id : ids.is_array() ? ids : Json::array({ids})) {
    if (id.is_null()) continue;
    if (!id.is_number_unsigned() || id.get<uint64_t>() >= tables->pieces.size())
      return Wrong(path, ": eos_token_id ", JsonText(id), " is not in the vocabulary of ",
                   tables->pieces.size());
    const auto token = id.get<uint32_t>();
    if (tables->end_token == CLLM_NO_TOKEN) tables->end_token = token;
    if (const auto added = tables->added.find(token); added != tables->added.end())
      added->second |= AddedToken::kEnds;
  }
  return absl::OkStatus();
}

// chat_template of tokenizer_config.json, or the file chat_template.jinja; of several the one named
// "default".
absl::Status TakeChatTemplate(const std::string& folder, const Json& config, TokenizerTables* tables) {
  const Json& chat = config.is_object() ? JsonAt(config, "chat_template") : Json();
  if (chat.is_string()) tables->chat_template = chat.get<std::string>();
  for (const Json& each : chat.is_array() ? chat : Json::array()) {
    if (each.is_object() && JsonAt(each, "name") == "default" && JsonAt(each, "template").is_string())
      tables->chat_template = each["template"].get<std::string>();
  }
  const std::string path = folder + "/chat_template.jinja";
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a chat template");
  if (!file.ok()) return file.status();
  tables->chat_template = std::string(file->bytes());
  return absl::OkStatus();
}

// By tokenizer.json or, where there is none, SentencePiece's tokenizer.model.
absl::Status TakeTokenizer(const std::string& folder, Checkpoint* checkpoint) {
  const std::string json_path = folder + "/tokenizer.json", model_path = folder + "/tokenizer.model",
                    config_path = folder + "/tokenizer_config.json";
  const bool has_json = std::filesystem::exists(json_path);
  if (!has_json && !std::filesystem::exists(model_path)) return absl::OkStatus();
  const std::string& path = has_json ? json_path : model_path;
  absl::StatusOr<Json> config = Json();
  if (std::filesystem::exists(config_path)) config = ReadJson(config_path);
  if (!config.ok()) return config.status();
  absl::StatusOr<TokenizerTables> tables;
  const uint32_t size = checkpoint->architecture.vocabulary_size;
  if (has_json) {
    const absl::StatusOr<Json> json = ReadJson(path);
    if (!json.ok()) return json.status();
    tables = ImportHuggingFaceTokenizer(*json, *config, size);
  } else {
    const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a SentencePiece model");
    if (!file.ok()) return file.status();
    tables = ImportSentencePieceModel(file->bytes(), size);
  }
  if (absl::IsUnimplemented(tables.status())) {
    checkpoint->without_tokenizer = absl::StrCat(path, " was left behind: ", tables.status().message());
    return absl::OkStatus();
  }
  if (!tables.ok()) return Wrong(path, ": ", tables.status().message());
  absl::Status status = TakeEndTokens(folder, &*tables);
  if (status.ok()) status = TakeChatTemplate(folder, *config, &*tables);
  checkpoint->tokenizer = *std::move(tables);
  return status;
}

}  // namespace

absl::StatusOr<Checkpoint> StreamHuggingFace(const std::string& folder) {
  const absl::StatusOr<Json> file = ReadJson(folder + "/config.json");
  if (!file.ok()) return file.status();
  const Json config = HuggingFaceTextConfig(*file);
  Checkpoint checkpoint;
  if (absl::Status status = CheckNumbers(config); !status.ok())
    return Wrong(folder, "/config.json: ", status.message());
  absl::Status status = TakeHuggingFaceSizes(config, &checkpoint.architecture);
  if (status.ok()) status = TakeHuggingFaceRope(config, &checkpoint.architecture);
  if (status.ok()) status = CheckArchitecture(checkpoint.architecture);
  if (!status.ok()) return Wrong(folder, "/config.json: ", status.message());
  if (status = TakeWeights(folder, config, &checkpoint); !status.ok()) return status;
  if (status = TakeTokenizer(folder, &checkpoint); !status.ok()) return status;
  checkpoint.provenance.source = absl::StrCat(
      "Hugging Face folder ", std::filesystem::absolute(folder).lexically_normal().filename().string());
  checkpoint.provenance.recipe =
      JsonText(Json({{"import", "hugging_face"}, {"model_type", JsonAt(config, "model_type")}}));
  return checkpoint;
}

absl::StatusOr<Checkpoint> ImportHuggingFace(const std::string& folder) {
  return Loaded(StreamHuggingFace(folder));
}

}  // namespace cllm
