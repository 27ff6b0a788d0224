#include "converter/export/hugging_face.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "converter/export/float_bytes.h"
#include "converter/export/hugging_face_config.h"
#include "converter/export/hugging_face_tokenizer.h"
#include "converter/export/output_file.h"
#include "converter/export/output_folder.h"
#include "converter/export/safetensors_file.h"
#include "converter/export/turns.h"
#include "converter/import/hugging_face_families.h"
#include "converter/import/hugging_face_json.h"
#include "converter/import/llama_tensors.h"
#include "converter/json/json_text.h"
#include "model/tensors.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

using Json = nlohmann::json;

// The model_type that the importer noted, or "".
std::string ImportedFamily(const Provenance& provenance) {
  const Json recipe = ParseJson(provenance.recipe);
  if (!recipe.is_object() || !JsonAt(recipe, "model_type").is_string()) return "";
  return recipe["model_type"];
}

// The name as the family's own program writes it; the importer knows it without its prefix.
std::string FullName(const std::string& family, const std::string& name) {
  if (name == kHuggingFaceNames.head) return family == "gpt_neox" ? "embed_out.weight" : name;
  if (family == "gpt_neox") return absl::StrCat("gpt_neox.", name);
  return family == "gpt2" || family == "gpt_neo" ? absl::StrCat("transformer.", name) : name;
}

SafetensorsFile Weights(const Checkpoint& checkpoint, const WeightFormats& stored, const Json& config) {
  SafetensorsFile file;
  const Architecture& a = checkpoint.architecture;
  const Config sizes = ToConfig(a);
  for (const auto& [name, part] : HuggingFaceParts(config, a)) {
    if (a.tied_head && name == kHuggingFaceNames.head) continue;
    std::vector<uint64_t> shape = {part.rows, ShapeOf(sizes, part.key.first).columns};
    if (part.columns != 0) shape[1] = part.columns;
    if (part.transposed) std::swap(shape[0], shape[1]);
    if (IsVector(part.key.first)) shape.erase(shape.begin());
    file.Add(FullName(config["model_type"], name), shape, FloatFormat(stored.Of(part.key)),
             [&checkpoint, taken = part] { return TakeTensor(taken, checkpoint).values; });
  }
  return file;
}

void SetTokens(const TokenizerTables& tokenizer, Json* json) {
  const std::pair<const char*, uint32_t> tokens[] = {{"bos_token_id", tokenizer.begin_token},
                                                     {"eos_token_id", tokenizer.end_token}};
  for (const auto& [key, token] : tokens) (*json)[key] = token != CLLM_NO_TOKEN ? Json(token) : Json();
  Json ends = Json::array({(*json)["eos_token_id"]});
  for (const auto& [token, flags] : tokenizer.added) {
    if ((flags & AddedToken::kEnds) != 0 && token != tokenizer.end_token) ends.push_back(token);
  }
  if (ends.size() > 1 && tokenizer.end_token != CLLM_NO_TOKEN) (*json)["eos_token_id"] = ends;
}

absl::Status WriteJson(const OutputFolder& folder, const char* name, const Json& json) {
  return WriteWholeFile(folder.PathOf(name), JsonText(json, 2) + "\n");
}

absl::Status WriteTokenizer(const OutputFolder& folder, const Checkpoint& checkpoint) {
  const TokenizerTables& tokenizer = checkpoint.tokenizer;
  if (!HasHuggingFaceTokenizer(tokenizer)) return absl::OkStatus();
  absl::Status status = WriteJson(folder, "tokenizer.json", HuggingFaceTokenizer(tokenizer));
  if (!status.ok()) return status;
  return WriteJson(folder, "tokenizer_config.json",
                   HuggingFaceTokenizerConfig(tokenizer, checkpoint.architecture.context));
}

}  // namespace

absl::StatusOr<std::string> ExportHuggingFace(Checkpoint checkpoint, const WeightFormats& stored,
                                              const std::string& path) {
  if (absl::Status status = CheckCheckpoint(checkpoint); !status.ok()) return status;
  RotateByHalves(&checkpoint);
  absl::StatusOr<Json> config =
      HuggingFaceConfig(checkpoint.architecture, ImportedFamily(checkpoint.provenance));
  if (!config.ok()) return config.status();
  const bool halves = stored.Narrowest(ToConfig(checkpoint.architecture)) == Dtype::kBf16;
  (*config)["torch_dtype"] = halves ? "bfloat16" : "float32";
  SetTokens(checkpoint.tokenizer, &*config);
  Json generation = {{"_from_model_config", true}};
  SetTokens(checkpoint.tokenizer, &generation);

  absl::StatusOr<OutputFolder> folder = OutputFolder::Create(path);
  if (!folder.ok()) return folder.status();
  absl::Status status = WriteJson(*folder, "config.json", *config);
  if (status.ok()) status = WriteJson(*folder, "generation_config.json", generation);
  if (status.ok()) status = WriteTokenizer(*folder, checkpoint);
  if (status.ok()) status = Weights(checkpoint, stored, *config).Write(folder->PathOf("model.safetensors"));
  if (status.ok()) status = folder->Commit();
  if (!status.ok()) return status;
  return (*config)["model_type"].get<std::string>();
}

}  // namespace cllm
