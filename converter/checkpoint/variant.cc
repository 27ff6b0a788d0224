#include "converter/checkpoint/variant.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace cllm {
namespace {

const char* ActivationWords(Activation activation) {
  switch (activation) {
    case Activation::kSilu: return "SiLU";
    case Activation::kGeluTanh: return "GELU (tanh)";
    case Activation::kGeluErf: return "GELU";
    case Activation::kRelu: return "ReLU";
    case Activation::kReluSquared: return "squared ReLU";
  }
  return "unknown";
}

}  // namespace

const std::vector<std::string>& ActivationNames() {
  static const auto* const names =
      new std::vector<std::string>{"silu", "gelu", "gelu-erf", "relu", "relu-squared"};
  return *names;
}

const char* NormWords(Norm norm) {
  switch (norm) {
    case Norm::kRms: return "RMS norm";
    case Norm::kLayer: return "layer norm";
    case Norm::kAffine: return "affine norm";
    case Norm::kBatch: return "batch norm";
  }
  return "unknown norm";
}

const char* NormPlacementWords(NormPlacement placement) {
  switch (placement) {
    case NormPlacement::kBefore: return "before";
    case NormPlacement::kBeforeAndAfter: return "before and after";
    case NormPlacement::kAfter: return "after";
  }
  return "unknown";
}

std::string FeedForwardWords(const Variant& variant) {
  if (variant.gated && variant.activation == Activation::kSilu) return "SwiGLU";
  return absl::StrCat(variant.gated ? "gated " : "", ActivationWords(variant.activation));
}

std::string SwitchWords(const Variant& variant) {
  const Variant llama;
  std::vector<std::string> words;
  const auto number = [&](float value, float plain, const char* name) {
    if (value != plain) words.push_back(absl::StrCat(name, " ", value));
  };
  if (variant.learned_positions) words.push_back("learned positions");
  if (!variant.rope && !variant.learned_positions) words.push_back("no positions");
  if (variant.rotary_size != 0)
    words.push_back(absl::StrCat("rotation of ", variant.rotary_size, " elements of a head"));
  const bool biases[] = {variant.query_key_value_bias, variant.attention_output_bias,
                         variant.feed_forward_bias};
  const char* const names[] = {"queries, keys and values", "attention output", "feed-forward"};
  for (size_t i = 0; i < 3; ++i) {
    if (biases[i]) words.push_back(absl::StrCat("bias of ", names[i]));
  }
  if (variant.query_key_norm) words.push_back("norms of queries and keys");
  if (variant.norms_after())
    words.push_back(absl::StrCat("norms ", NormPlacementWords(variant.norm_placement), " each half"));
  if (variant.parallel_block) words.push_back("parallel halves");
  if (variant.sliding_window != 0) {
    words.push_back(absl::StrCat("window of ", variant.sliding_window, " tokens"));
    if (variant.sliding_window_period > 1)
      words.back() += absl::StrCat(" but in one layer of ", variant.sliding_window_period);
  }
  number(variant.logit_softcap, llama.logit_softcap, "logits capped at");
  number(variant.attention_softcap, llama.attention_softcap, "attention scores capped at");
  number(variant.attention_scale, llama.attention_scale, "attention scale");
  number(variant.embedding_scale, llama.embedding_scale, "embedding scale");
  number(variant.residual_scale, llama.residual_scale, "residual scale");
  number(variant.logit_scale, llama.logit_scale, "logit scale");
  return absl::StrJoin(words, ", ");
}

std::string VariantWords(const Variant& variant) {
  std::vector<std::string> words = {NormWords(variant.norm), FeedForwardWords(variant)};
  const std::string switches = SwitchWords(variant);
  if (!switches.empty()) words.push_back(switches);
  return absl::StrJoin(words, ", ");
}

absl::Status CheckIsLlama(const Architecture& architecture, const std::string& format) {
  const Variant& variant = architecture.variant;
  if (variant == Variant()) return absl::OkStatus();
  std::string what = SwitchWords(variant);
  const std::string block = FeedForwardWords(variant);
  if (block != FeedForwardWords(Variant())) absl::StrAppend(&what, what.empty() ? "" : ", ", block);
  if (variant.norm != Norm::kRms) absl::StrAppend(&what, what.empty() ? "" : ", ", NormWords(variant.norm));
  return absl::UnimplementedError(
      absl::StrCat(format, " is written for Llama's architecture only; this one has ", what));
}

}  // namespace cllm
