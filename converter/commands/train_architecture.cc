#include "converter/commands/train_architecture.h"

#include <algorithm>

#include "converter/checkpoint/variant.h"
#include "converter/commands/options.h"

namespace cllm {
namespace {

// Calls visit(name, value, whether it is set) for each option.
template <class Options, class Visit>
void VisitAll(Options& options, const Visit& visit) {
  visit("norm", options.norm, !options.norm.empty());
  visit("activation", options.activation, !options.activation.empty());
  visit("gate", options.gate, !options.gate.empty());
  visit("qk-norm", options.query_key_norm, options.query_key_norm >= 0);
  visit("logit-softcap", options.logit_softcap, options.logit_softcap >= 0);
  visit("zero-projections", options.zero_projections, options.zero_projections);
}

// As it was given.
std::string OptionName(const std::string& name, const ArchitectureOptions& options) {
  if (name == "gate") return "--" + options.gate;
  return name == "qk-norm" && options.query_key_norm == 0 ? "--no-qk-norm" : "--" + name;
}

}  // namespace

void AddArchitectureOptions(Flags flags, ArchitectureOptions* options) {
  const char* const own = "the configuration's";
  AddChoice(flags, "--norm", &options->norm, {"rms", "layer", "batch"},
            "rms, layer, or batch: whose statistics are those of a batch, and that becomes a mere scale and\n"
            "shift in the file that is written",
            own);
  AddChoice(flags, "--activation", &options->activation, ActivationNames(),
            "of the feed-forward block; gelu is the approximation by tanh", own);
  const Flag gated = flags.AddSwitch(
      "--gated", [options] { options->gate = "gated"; },
      "a feed-forward block with a gate: activation(gate) times up");
  flags
      .AddSwitch(
          "--ungated", [options] { options->gate = "ungated"; },
          "one without; where the configuration has a gate, hidden units become half as many again, so\n"
          "that the model has as many parameters")
      .NotWith(gated);
  const Flag qk_norm = flags.AddSwitch(
      "--qk-norm", [options] { options->query_key_norm = 1; }, "an RMS norm of each head's queries and keys");
  flags
      .AddSwitch(
          "--no-qk-norm", [options] { options->query_key_norm = 0; }, "none, where the configuration has one")
      .NotWith(qk_norm);
  AddNumber(flags, "--logit-softcap", &options->logit_softcap, {0, 1000},
            "no logit beyond this: x becomes cap tanh(x / cap); 0 for none", own);
  flags.Add("--zero-projections", &options->zero_projections,
            "the two matrices of each layer that add to the residual stream start as zeros");
}

void ApplyTo(const ArchitectureOptions& options, Architecture* architecture) {
  Variant& variant = architecture->variant;
  if (options.norm == "rms") variant.norm = Norm::kRms;
  if (options.norm == "layer") variant.norm = Norm::kLayer;
  if (options.norm == "batch") variant.norm = Norm::kBatch;
  if (!options.activation.empty()) {
    const auto& names = ActivationNames();
    variant.activation =
        static_cast<Activation>(std::find(names.begin(), names.end(), options.activation) - names.begin());
  }
  if (options.query_key_norm >= 0) variant.query_key_norm = options.query_key_norm != 0;
  if (options.logit_softcap >= 0) variant.logit_softcap = static_cast<float>(options.logit_softcap);
  if (options.gate.empty()) return;
  const bool gated = options.gate == "gated";
  if (variant.gated && !gated) architecture->hidden = architecture->hidden * 3 / 2;
  variant.gated = gated;
}

void ApplyTo(const ArchitectureOptions& options, Initialization* initial) {
  initial->zero_projections |= options.zero_projections;
}

std::string FirstSet(const ArchitectureOptions& options) {
  std::string first;
  VisitAll(options, [&](const std::string& name, const auto&, bool is_set) {
    if (is_set && first.empty()) first = OptionName(name, options);
  });
  return first;
}

nlohmann::ordered_json ArchitectureJson(const ArchitectureOptions& options) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  VisitAll(options, [&](const char* name, const auto& value, bool is_set) {
    if (is_set) json[name] = value;
  });
  return json;
}

void ReadArchitectureJson(const nlohmann::json& json, ArchitectureOptions* options) {
  VisitAll(*options, [&](const char* name, auto& value, bool) {
    if (json.contains(name)) json.at(name).get_to(value);
  });
}

}  // namespace cllm
