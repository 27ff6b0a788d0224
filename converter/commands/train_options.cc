#include "converter/commands/train_options.h"

#include <exception>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace cllm {
namespace {

std::string Absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

}  // namespace

std::string RunDescription(const TrainCommandOptions& options, const std::vector<std::string>& digests) {
  std::vector<std::string> data;
  for (const std::string& path : options.data) data.push_back(Absolute(path));
  const nlohmann::ordered_json run = {{"data", data},
                                      {"digests", digests},
                                      {"out", Absolute(options.out)},
                                      {"config", options.configuration},
                                      {"tokenizer", options.tokenizer},
                                      {"documents", options.documents},
                                      {"vocabulary", options.vocabulary},
                                      {"steps", options.steps},
                                      {"minutes", options.minutes},
                                      {"validation_fraction", options.validation_fraction},
                                      {"seed", options.seed},
                                      {"checkpoints", Absolute(options.checkpoints)},
                                      {"every", options.every},
                                      {"keep", options.keep}};
  return run.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status ReadRunDescription(absl::string_view json, TrainCommandOptions* options,
                                std::vector<std::string>* digests) {
  try {
    const nlohmann::json run = nlohmann::json::parse(json.begin(), json.end());
    run.at("data").get_to(options->data);
    run.at("digests").get_to(*digests);
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
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("a checkpoint of another version of cllm: ", error.what()));
  }
  return absl::OkStatus();
}

absl::Status CheckSameData(const TrainCommandOptions& options, const std::vector<std::string>& before,
                           const std::vector<std::string>& now) {
  for (size_t i = 0; i < options.data.size(); ++i) {
    if (i < before.size() && i < now.size() && before[i] == now[i]) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--resume: ", options.data[i],
                     " is not the file that the checkpoint was made with; put that one back, or train anew"));
  }
  return absl::OkStatus();
}

}  // namespace cllm
