#include "trainer/tuner.h"

#include <cstring>
#include <new>

#include "base/random.h"
#include "base/square_root.h"
#include "kernels/input_gradient.h"
#include "kernels/rope.h"
#include "plan/session_plan.h"

namespace cllm {
namespace {

constexpr char kMagic[4] = {'C', 'L', 'M', 'T'};
constexpr uint32_t kStateVersion = 1;
constexpr size_t kDigestBytes = 32;

}  // namespace

Status Tuner::Create(const Model& model, const cllm_tuner_limits& limits, const cllm_workers* workers,
                     void* room, uint64_t room_bytes, Tuner** tuner) {
  TunerPlan plan;
  CLLM_RETURN_IF_ERROR(PlanTuner(model, limits, &plan));
  if (reinterpret_cast<uintptr_t>(room) % kAlignment != 0) return CLLM_MISALIGNED;
  if (room_bytes < plan.room_bytes) return CLLM_ROOM_TOO_SMALL;
  *tuner = new (room) Tuner(model, plan, workers, static_cast<uint8_t*>(room));
  return CLLM_OK;
}

Tuner::Tuner(const Model& model, const TunerPlan& plan, const cllm_workers* workers, uint8_t* room)
    : model_(model),
      plan_(plan),
      shape_(model.config),
      workers_(workers != nullptr ? *workers : cllm_workers{1, nullptr, nullptr, nullptr}),
      room_(room) {
  std::memset(At<void>(plan_.state), 0, static_cast<size_t>(plan.state_bytes));
  std::memcpy(state()->magic, kMagic, sizeof(kMagic));
  state()->version = kStateVersion;
  state()->fingerprint = Fingerprint();
  state()->beta1_power = state()->beta2_power = 1.0;
  for (uint32_t i = 0; i < model_.config.layers; ++i) new (&Layer(i)) LayerWeights{};
  uint64_t first = 0;
  for (uint32_t i = 0; i < model_.tensor_count; ++i) {
    const TableEntry entry = TensorAt(model_, i);
    Tensor tensor = entry.tensor;
    TunedTensor tuned;
    if (FindTuned(model_.config, plan_, i, first, &tuned)) {
      StartTensor(tuned, entry);
      const float* parameters = Floats(plan_.weights) + first;
      first += tuned.count;
      if (tuned.kind == DeltaKind::kAdapter) {
        tensor.adapter = AdapterNumber(entry.role, entry.layer);
        At<Adapter>(plan_.adapters)[tensor.adapter - 1] = {
            parameters, plan_.alpha / static_cast<float>(plan_.rank), plan_.rank};
      } else {
        tensor.data = parameters;
        tensor.scales = nullptr;
        tensor.dtype = Dtype::kF32;
      }
    }
    Place(entry, tensor);
  }
  if (model_.config.tied_head) head_ = embedding_;
  for (uint32_t t = 0; t < plan.length; ++t) {
    RopeAngles(model.config.rope_turns, shape_.head_size / 2, t, Floats(plan.angles) + t * shape_.head_size);
  }
}

void Tuner::Place(const TableEntry& entry, const Tensor& tensor) {
  const auto* vector = static_cast<const float*>(tensor.data);
  switch (entry.role) {
    case Role::kTokenEmbedding: embedding_ = tensor; break;
    case Role::kFinalNorm: final_norm_ = vector; break;
    case Role::kHead: head_ = tensor; break;
    case Role::kAttentionNorm: Layer(entry.layer).attention_norm = vector; break;
    case Role::kQueryKeyValue: Layer(entry.layer).query_key_value = tensor; break;
    case Role::kAttentionOutput: Layer(entry.layer).attention_output = tensor; break;
    case Role::kFeedForwardNorm: Layer(entry.layer).feed_forward_norm = vector; break;
    case Role::kGateUp: Layer(entry.layer).gate_up = tensor; break;
    case Role::kDown: Layer(entry.layer).down = tensor; break;
    default: break;  // Llama's models have no other
  }
}

// An adapter starts as the delta over the model has it, or with a random inner and a zero outer factor; a
// tensor that is trained whole starts as the floats that it stands for.
void Tuner::StartTensor(const TunedTensor& tuned, const TableEntry& entry) {
  const Tensor& base = entry.tensor;
  float* to = Floats(plan_.weights) + tuned.first;
  const size_t columns = base.columns, count = static_cast<size_t>(tuned.count);
  if (tuned.kind == DeltaKind::kAdapter && entry.adapter.rank != 0) {
    std::memcpy(to, entry.adapter.factors, count * sizeof(float));
  } else if (tuned.kind == DeltaKind::kAdapter) {
    const uint64_t key = RandomKey(plan_.seed, RandomStream::kAdapters);
    const float size = 1.0f / SquareRoot(base.columns);
    for (size_t i = 0; i < tuned.rank; ++i) {
      float* row = to + i * static_cast<size_t>(PaddedRow(columns));
      for (size_t k = 0; k < columns; ++k) {
        const uint64_t random = RandomAt(key, tuned.first + i * columns + k);
        row[k] = (2.0f * UniformFloat(random) - 1.0f) * size;
      }
    }
  } else if (base.dtype == Dtype::kF32) {
    std::memcpy(to, base.data, count * sizeof(float));
  } else {
    ToFloatPanels(StoredOf(base, count / columns), to);
  }
}

uint64_t Tuner::Fingerprint() const {
  uint64_t hash = kStateVersion;
  const auto add = [&](uint64_t value) { hash = MixBits(hash * kGoldenRatio + value); };
  const uint8_t* digest = ContentDigest(model_);
  for (size_t i = 0; i < kDigestBytes; ++i) add(digest[i]);
  uint32_t alpha;
  std::memcpy(&alpha, &plan_.alpha, sizeof(alpha));
  const uint32_t numbers[] = {plan_.method, plan_.adapted,     plan_.trained,
                              plan_.rank,   plan_.first_layer, alpha};
  for (const uint32_t number : numbers) add(number);
  return hash;
}

Status Tuner::CheckSequence(const uint32_t* inputs, const uint32_t* targets, uint32_t length) const {
  if (length == 0 || length > plan_.length) return CLLM_LIMIT_LENGTH;
  const uint32_t vocabulary = model_.config.vocabulary_size;
  for (uint32_t t = 0; t < length; ++t) {
    if (inputs[t] >= vocabulary) return CLLM_TOKEN_RANGE;
    if (targets[t] >= vocabulary && targets[t] != CLLM_NO_TOKEN) return CLLM_TOKEN_RANGE;
  }
  return CLLM_OK;
}

Status Tuner::Accumulate(const uint32_t* inputs, const uint32_t* targets, uint32_t length, float weight,
                         float* loss) {
  CLLM_RETURN_IF_ERROR(CheckSequence(inputs, targets, length));
  Forward(inputs, length);
  *loss = Losses(targets, length, &weight);
  Backward(inputs, length);
  return CLLM_OK;
}

Status Tuner::Evaluate(const uint32_t* inputs, const uint32_t* targets, uint32_t length, float* loss) {
  CLLM_RETURN_IF_ERROR(CheckSequence(inputs, targets, length));
  Forward(inputs, length);
  *loss = Losses(targets, length, nullptr);
  return CLLM_OK;
}

Status Tuner::Restore(const void* saved, uint64_t bytes) {
  TunerState from;
  if (bytes != plan_.state_bytes) return CLLM_TUNER_STATE;
  std::memcpy(&from, saved, sizeof(from));
  const auto is_power = [](double x) { return x >= 0.0 && x <= 1.0; };
  if (std::memcmp(from.magic, kMagic, sizeof(kMagic)) != 0 || from.version != kStateVersion ||
      from.fingerprint != state()->fingerprint || !is_power(from.beta1_power) ||
      !is_power(from.beta2_power)) {
    return CLLM_TUNER_STATE;
  }
  std::memcpy(At<void>(plan_.state), saved, static_cast<size_t>(bytes));
  return CLLM_OK;
}

}  // namespace cllm
