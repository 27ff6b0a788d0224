#include "converter/train/configurations.h"

#include <cmath>
#include <vector>

#include "base/random.h"
#include "model/tensors.h"

namespace cllm {
namespace {

struct Shape {
  uint32_t vocabulary_size, context, width, layers, heads, kv_heads, hidden;
};

Architecture Llama(const Shape& shape) {
  Architecture a;
  a.vocabulary_size = shape.vocabulary_size;
  a.context = shape.context;
  a.width = shape.width;
  a.layers = shape.layers;
  a.heads = shape.heads;
  a.kv_heads = shape.kv_heads;
  a.head_size = shape.width / shape.heads;
  a.hidden = shape.hidden;
  return a;
}

Recipe Steps(uint32_t batch, uint32_t length, uint32_t steps, uint32_t warmup_steps, float learning_rate,
             float beta2) {
  Recipe recipe;
  recipe.batch = batch;
  recipe.length = length;
  recipe.steps = steps;
  recipe.warmup_steps = warmup_steps;
  recipe.learning_rate = learning_rate;
  recipe.beta2 = beta2;
  return recipe;
}

// The shape and numbers of nanoGPT's recipe for a CPU (config/train_shakespeare_char.py and its README);
// three matrices of 352 in place of two of 512 make the same number of parameters. These first weights take
// its loss on the validation part from 1.667 to 1.627 nats.
Configuration Nano() {
  Configuration c = {"nano", "nanoGPT's small recipe: 4 layers, 128 wide, context 64; characters",
                     Llama({65, 64, 128, 4, 4, 4, 352}), "char", Steps(12, 64, 2000, 100, 1e-3f, 0.99f)};
  c.recipe.initial = {0.4f, 0.08f, 0.15f};
  return c;
}

Configuration QuickStart() {
  Configuration c = {"quickstart", "0.7 million parameters for stories: about two minutes on two cores",
                     Llama({1280, 288, 128, 3, 4, 4, 256}), "bpe", Steps(4, 288, 3000, 60, 6e-3f, 0.95f)};
  // Of many: embeddings of 0.02 and a final norm of 1 need 2,600 steps for what these reach in 700.
  c.recipe.initial = {0.4f, 0.08f, 0.15f};
  return c;
}

// Found on tinyshakespeare; README.md here has what was tried. Large batches make Muon cheap, and half an
// hour is some 20 times through a small text, which wants dropout.
Configuration Small() {
  Configuration c = {"small",
                     "1.8 million parameters, context 256; characters: about 20 minutes on two cores",
                     Llama({65, 256, 192, 4, 6, 6, 512}), "char", Steps(16, 256, 3000, 100, 1e-2f, 0.99f)};
  c.architecture.variant.query_key_norm = true;
  c.recipe.method = CLLM_MUON;
  c.recipe.dropout = 0.1f;
  c.recipe.initial = {0.4f, 0.08f, 0.15f};
  return c;
}

std::vector<Configuration> MakeConfigurations() {
  return {
      Nano(),
      Small(),
      // Small batches and a high rate: in two minutes a model sees few tokens, and must learn within some
      // 3,000 steps to look back for names.
      QuickStart(),
      // Fewer tokens than byte-level BPE starts from.
      {"82k", "82,240 parameters with a vocabulary of 192: for microcontrollers; characters",
       Llama({192, 256, 64, 2, 4, 4, 96}), "char", Steps(16, 128, 3000, 100, 3e-3f, 0.99f)},
      {"260k", "the shape of stories260K", Llama({512, 512, 64, 5, 8, 4, 172}), "bpe",
       Steps(16, 256, 4000, 100, 2e-3f, 0.99f)},
      {"510k", "509,056 parameters with a vocabulary of 384", Llama({384, 256, 128, 4, 4, 4, 128}), "bpe",
       Steps(16, 256, 4000, 100, 2e-3f, 0.99f)},
      {"15m", "the shape of stories15M", Llama({32000, 256, 288, 6, 6, 6, 768}), "bpe",
       Steps(32, 256, 20000, 1000, 5e-4f, 0.95f)},
      {"110m", "the shape of stories110M", Llama({32000, 1024, 768, 12, 12, 12, 2048}), "bpe",
       Steps(16, 1024, 50000, 1000, 4e-4f, 0.95f)},
  };
}

const std::vector<Configuration>& All() {
  static const std::vector<Configuration>* const configurations =
      new std::vector<Configuration>(MakeConfigurations());
  return *configurations;
}

// A sum of 12 uniform numbers less its mean: close to a normal with deviation 1, and exact, so that the same
// seed gives the same weights wherever it runs. `counter` counts draws.
float NormalFloat(uint64_t seed, uint64_t counter) {
  int64_t sum = 0;
  for (uint64_t i = 0; i < 3; ++i) {
    const uint64_t bits = Random(seed, RandomStream::kWeights, counter * 3 + i);
    for (int piece = 0; piece < 4; ++piece) sum += static_cast<int64_t>(bits >> (16 * piece) & 0xFFFF);
  }
  return static_cast<float>(sum - 6 * 65535) * (1.0f / 65536.0f);
}

bool IsBias(Role role) {
  return role == Role::kQueryKeyValueBias || role == Role::kAttentionOutputBias ||
         role == Role::kGateUpBias || role == Role::kDownBias;
}

// Weight `weight`, bias and running mean 0, running variance 1.
void SetNorm(float weight, FloatTensor* norm) {
  for (size_t i = 0; i < norm->values.size(); ++i) {
    const size_t row = i / norm->columns;
    norm->values[i] = row == 0 ? weight : row == 3 ? 1.0f : 0.0f;
  }
}

}  // namespace

absl::Span<const Configuration> Configurations() { return All(); }

const Configuration* FindConfiguration(std::string_view name) {
  for (const Configuration& configuration : All()) {
    if (configuration.name == name) return &configuration;
  }
  return nullptr;
}

std::string ConfigurationNames() {
  std::string names;
  for (const Configuration& configuration : All()) {
    names += (names.empty() ? "" : ", ") + configuration.name;
  }
  return names;
}

Checkpoint InitialCheckpoint(const Architecture& architecture, uint64_t seed, const Initialization& initial) {
  Checkpoint checkpoint;
  checkpoint.architecture = architecture;
  const float residual_scale = 1.0f / std::sqrt(2.0f * static_cast<float>(architecture.layers));
  for (const auto& [key, shape] : TensorShapes(architecture)) {
    const auto [role, layer] = key;
    FloatTensor& tensor = checkpoint.tensors[key];
    tensor.rows = shape.first;
    tensor.columns = shape.second;
    tensor.values.resize(size_t{shape.first} * shape.second);
    if (IsBias(role)) continue;
    if (IsVector(role)) {
      SetNorm(role == Role::kFinalNorm ? initial.final_norm : 1.0f, &tensor);
      continue;
    }
    float deviation = initial.matrix_deviation;
    if (role == Role::kAttentionOutput || role == Role::kDown) {
      deviation *= initial.zero_projections ? 0.0f : residual_scale;
    }
    if (role == Role::kTokenEmbedding || role == Role::kPositionEmbedding)
      deviation = initial.embedding_deviation;
    if (role == Role::kHead) deviation = 0.02f;
    // Every tensor draws from counters of its own.
    const uint64_t first = uint64_t{static_cast<uint8_t>(role)} << 56 | uint64_t{layer} << 40;
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      tensor.values[i] = deviation * NormalFloat(seed, first + i);
    }
  }
  return checkpoint;
}

}  // namespace cllm
