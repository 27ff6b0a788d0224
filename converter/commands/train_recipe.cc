#include "converter/commands/train_recipe.h"

#include <algorithm>

#include "converter/commands/options.h"

namespace cllm {
namespace {

// In the order of Schedule and of cllm_method.
const std::vector<std::string>& ScheduleNames() {
  static const auto* const names = new std::vector<std::string>{"cosine", "linear", "constant", "wsd"};
  return *names;
}

const std::vector<std::string>& MethodNames() {
  static const auto* const names = new std::vector<std::string>{"adamw", "sgd", "muon"};
  return *names;
}

// As of cllm_precision.
const std::vector<std::string>& PrecisionNames() {
  static const auto* const names = new std::vector<std::string>{"float32", "bf16"};
  return *names;
}

// 0 for a name that is not there.
size_t PlaceOf(const std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found != names.end() ? static_cast<size_t>(found - names.begin()) : 0;
}

// Calls visit(name, value, whether it is set) for each option.
template <class Options, class Visit>
void VisitAll(Options& options, const Visit& visit) {
  visit("batch", options.batch, options.batch != 0);
  visit("accumulate", options.accumulate, options.accumulate != 0);
  visit("segments", options.segments, options.segments != 0);
  visit("warmup", options.warmup, options.warmup != RecipeOptions::kUnset);
  visit("schedule", options.schedule, !options.schedule.empty());
  visit("optimizer", options.optimizer, !options.optimizer.empty());
  visit("precision", options.precision, !options.precision.empty());
  visit("rate", options.rate, options.rate >= 0);
  visit("momentum", options.momentum, options.momentum >= 0);
  visit("weight-decay", options.weight_decay, options.weight_decay >= 0);
  visit("embedding-decay", options.embedding_decay, options.embedding_decay >= 0);
  visit("dropout", options.dropout, options.dropout >= 0);
  visit("label-smoothing", options.label_smoothing, options.label_smoothing >= 0);
  visit("ema", options.average, options.average >= 0);
  visit("distill", options.distillation, options.distillation >= 0);
}

void SetIf(double value, float* number) {
  if (value >= 0) *number = static_cast<float>(value);
}

}  // namespace

void AddRecipeOptions(Flags flags, RecipeOptions* options) {
  const char* const own = "the configuration's";
  AddNumber(flags, "--rate", &options->rate, {1e-9, 1}, "the highest learning rate", own);
  AddChoice(flags, "--schedule", &options->schedule, ScheduleNames(),
            "how the rate falls after the warm-up; wsd: only in the last fifth of the steps", own);
  AddCount(flags, "--warmup", &options->warmup, 0, 1u << 30, "steps in which the rate rises", own);
  AddCount(flags, "--batch", &options->batch, 1, 1u << 16, "sequences at once", own);
  AddCount(flags, "--accumulate", &options->accumulate, 1, 1u << 16,
           "batches a step: a larger batch in the memory of a small one", own);
  AddCount(flags, "--segments", &options->segments, 1, 1u << 16,
           "parts of a step's sequences whose gradients are summed by themselves and then in pairs: what\n"
           "processes under mpirun share. The weights depend on it, and not on the processes",
           own);
  AddChoice(flags, "--optimizer", &options->optimizer, MethodNames(),
            "sgd: with momentum; muon: orthogonal steps for the layers' matrices, AdamW for the rest", own);
  AddChoice(flags, "--precision", &options->precision, PrecisionNames(),
            "bf16: products of bfloat16 numbers with float32 sums; weights stay float32. Faster where the "
            "processor has AVX-512 BF16, slower elsewhere",
            own);
  AddNumber(flags, "--momentum", &options->momentum, {0, 0.9999}, "of sgd and muon", own);
  AddNumber(flags, "--weight-decay", &options->weight_decay, {0, 10}, "of the layers' matrices", own);
  AddNumber(flags, "--embedding-decay", &options->embedding_decay, {0, 10},
            "weight decay of the embedding and of a head of its own; norms have none", own);
  AddNumber(flags, "--dropout", &options->dropout, {0, 0.9},
            "share of the numbers dropped from embedded tokens and from what each half of a layer adds", own);
  AddNumber(flags, "--label-smoothing", &options->label_smoothing, {0, 0.9},
            "share of a target's probability that is spread over the vocabulary", own);
  AddNumber(flags, "--ema", &options->average, {0, 0.99999},
            "evaluate and write a moving average of the weights, of this decay a step", own);
  AddNumber(flags, "--distill", &options->distillation, {0, 1},
            "share of a target's probability that is as the model of --init predicts it", own);
}

void ApplyTo(const RecipeOptions& options, Recipe* recipe) {
  if (options.batch != 0) recipe->batch = options.batch;
  if (options.accumulate != 0) recipe->accumulate = options.accumulate;
  if (options.segments != 0) recipe->segments = options.segments;
  if (options.warmup != RecipeOptions::kUnset) recipe->warmup_steps = options.warmup;
  if (!options.schedule.empty()) {
    recipe->schedule = static_cast<Schedule>(PlaceOf(ScheduleNames(), options.schedule));
  }
  if (!options.optimizer.empty()) {
    recipe->method = static_cast<cllm_method>(PlaceOf(MethodNames(), options.optimizer));
  }
  if (!options.precision.empty()) {
    recipe->precision = static_cast<cllm_precision>(PlaceOf(PrecisionNames(), options.precision));
  }
  SetIf(options.rate, &recipe->learning_rate);
  SetIf(options.momentum, &recipe->momentum);
  SetIf(options.weight_decay, &recipe->weight_decay);
  SetIf(options.embedding_decay, &recipe->embedding_decay);
  SetIf(options.dropout, &recipe->dropout);
  SetIf(options.label_smoothing, &recipe->label_smoothing);
  SetIf(options.average, &recipe->average);
  SetIf(options.distillation, &recipe->distillation);
}

nlohmann::ordered_json RecipeJson(const RecipeOptions& options) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  VisitAll(options, [&](const char* name, const auto& value, bool is_set) {
    if (is_set) json[name] = value;
  });
  return json;
}

void ReadRecipeJson(const nlohmann::json& json, RecipeOptions* options) {
  VisitAll(*options, [&](const char* name, auto& value, bool) {
    if (json.contains(name)) json.at(name).get_to(value);
  });
}

}  // namespace cllm
