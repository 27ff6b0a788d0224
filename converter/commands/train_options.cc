#include "converter/commands/train_options.h"

#include <exception>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "converter/commands/tokenizer_kinds.h"
#include "converter/json/json_text.h"
#include "converter/train/configurations.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

// "" stays.
std::string Absolute(const std::string& path) {
  return path.empty() ? path : std::filesystem::absolute(path).string();
}

}  // namespace

std::string RunDescription(const TrainCommandOptions& options, const std::vector<DataFile>& files) {
  std::vector<std::string> data, paths, digests;
  for (const DataFile& file : files) {
    paths.push_back(file.path);
    digests.push_back(file.digest);
  }
  for (const std::string& path : options.data) data.push_back(Absolute(path));
  const std::string file = TokenizerFile(options);
  const nlohmann::ordered_json run = {{"data", data},
                                      {"files", paths},
                                      {"digests", digests},
                                      {"out", Absolute(options.out)},
                                      {"config", options.configuration},
                                      {"tokenizer", file.empty() ? options.tokenizer : Absolute(file)},
                                      {"documents", options.documents},
                                      {"vocabulary", options.vocabulary},
                                      {"steps", options.steps},
                                      {"minutes", options.minutes},
                                      {"validation_fraction", options.validation_fraction},
                                      {"seed", options.seed},
                                      {"checkpoints", Absolute(options.checkpoints)},
                                      {"every", options.every},
                                      {"keep", options.keep},
                                      {"evaluate_every", options.evaluate_every},
                                      {"patience", options.patience},
                                      {"shape", ShapeJson(options.shape)},
                                      {"architecture", ArchitectureJson(options.architecture)},
                                      {"recipe", RecipeJson(options.recipe)},
                                      {"init", Absolute(options.init)},
                                      {"quantize", options.quantize},
                                      {"log", Absolute(options.log)},
                                      {"tensorboard", Absolute(options.tensorboard)},
                                      {"report", Absolute(options.report)},
                                      {"cache", Absolute(options.cache)},
                                      {"order", options.order}};
  return JsonText(run);
}

absl::Status ReadRunDescription(absl::string_view json, TrainCommandOptions* options,
                                std::vector<DataFile>* files) {
  try {
    const nlohmann::json run = ParseJson(std::string_view(json.data(), json.size()));
    run.at("data").get_to(options->data);
    const nlohmann::json& paths = run.at("files");
    for (size_t i = 0; i < paths.size(); ++i) files->push_back({paths[i], run.at("digests").at(i)});
    run.at("out").get_to(options->out);
    run.at("config").get_to(options->configuration);
    run.at("tokenizer").get_to(options->tokenizer);
    run.at("documents").get_to(options->documents);
    run.at("vocabulary").get_to(options->vocabulary);
    run.at("steps").get_to(options->steps);
    run.at("minutes").get_to(options->minutes);
    run.at("validation_fraction").get_to(options->validation_fraction);
    run.at("seed").get_to(options->seed);
    run.at("checkpoints").get_to(options->checkpoints);
    run.at("every").get_to(options->every);
    run.at("keep").get_to(options->keep);
    run.at("evaluate_every").get_to(options->evaluate_every);
    run.at("patience").get_to(options->patience);
    ReadShapeJson(run.value("shape", nlohmann::json::object()), &options->shape);
    ReadArchitectureJson(run.value("architecture", nlohmann::json::object()), &options->architecture);
    ReadRecipeJson(run.at("recipe"), &options->recipe);
    run.at("init").get_to(options->init);
    options->quantize = run.value("quantize", options->quantize);
    run.at("log").get_to(options->log);
    run.at("tensorboard").get_to(options->tensorboard);
    run.at("report").get_to(options->report);
    run.at("cache").get_to(options->cache);
    run.at("order").get_to(options->order);
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("a checkpoint of another version of cllm: ", error.what()));
  }
  return absl::OkStatus();
}

std::string TokenizerFile(const TrainCommandOptions& options) {
  return FindTokenizerKind(options.tokenizer) ? "" : options.tokenizer;
}

std::string TokenizerName(const TrainCommandOptions& options) {
  if (!options.init.empty() || !options.tokenizer.empty()) return options.tokenizer;
  return FindConfiguration(options.configuration)->tokenizer;
}

Provenance MakeProvenance(const TrainCommandOptions& options, uint32_t steps, const Provenance& before) {
  std::vector<std::string> names;
  for (const std::string& path : options.data)
    names.push_back(std::filesystem::path(path).filename().string());
  nlohmann::ordered_json recipe = {
      {"config", options.configuration},
      {"tokenizer", std::filesystem::path(TokenizerName(options)).filename().string()},
      {"documents", options.documents},
      {"seed", options.seed},
      {"validation_fraction", options.validation_fraction}};
  if (options.order != "random") recipe["order"] = options.order;
  if (options.quantize != "f32") recipe["quantize"] = options.quantize;
  recipe.update(ShapeJson(options.shape));
  recipe.update(ArchitectureJson(options.architecture));
  recipe.update(RecipeJson(options.recipe));
  if (options.minutes > 0) {
    recipe["minutes"] = options.minutes;
  } else {
    recipe["steps"] = steps;
  }
  Provenance provenance = before;
  provenance.source = "trained on " + absl::StrJoin(names, ", ");
  if (!options.init.empty()) {
    absl::StrAppend(&provenance.source, ", starting from ",
                    std::filesystem::path(options.init).filename().string(),
                    before.source.empty() ? "" : " (" + before.source + ")");
  }
  provenance.recipe = JsonText(recipe);
  return provenance;
}

void ApplyTo(const TrainCommandOptions& options, Recipe* recipe) {
  if (options.steps != 0) recipe->steps = options.steps;
  if (options.shape.context != 0) recipe->length = options.shape.context;
  ApplyTo(options.recipe, recipe);
}

}  // namespace cllm
