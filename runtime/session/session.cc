#include "session/session.h"

#include <cstring>
#include <new>

#include "base/layout.h"
#include "base/ranges.h"
#include "kernels/loss.h"
#include "kernels/rope.h"
#include "tokens/sampler.h"

namespace cllm {
namespace {

// Rows a worker below which the products would read each weight for too little work.
constexpr uint32_t kFewestRows = 8;

// Rows of whole streams that one worker takes through all layers together: enough for the products to read
// each weight for many rows, few enough for all that they need to stay in its cache.
constexpr size_t kGroupRows = 64;

// Multiply-adds of a layer that are worth a member's waiting for the others a few times.
constexpr size_t kMemberMacs = 65536;

}  // namespace

Status Session::Create(const Model& model, const cllm_limits* limits, const cllm_workers* workers, void* room,
                       uint64_t room_bytes, Session** session) {
  SessionPlan plan;
  CLLM_RETURN_IF_ERROR(PlanSession(model.config, limits, &plan));
  if (reinterpret_cast<uintptr_t>(room) % kAlignment != 0) return CLLM_MISALIGNED;
  if (room_bytes < plan.room_bytes) return CLLM_ROOM_TOO_SMALL;
  *session = new (room) Session(model, plan, workers, static_cast<uint8_t*>(room));
  return CLLM_OK;
}

Session::Session(const Model& model, const SessionPlan& plan, const cllm_workers* workers, uint8_t* room)
    : model_(model),
      plan_(plan),
      shape_(model.config),
      embeddings_{FindTensor(model, Role::kTokenEmbedding, 0),
                  kHasVariants ? FindTensor(model, Role::kPositionEmbedding, 0) : Tensor()},
      head_(FindTensor(model, Role::kHead, 0)),
      final_norm_(static_cast<const float*>(FindTensor(model, Role::kFinalNorm, 0).data)),
      workers_(workers != nullptr ? *workers : cllm_workers{1, nullptr, nullptr, nullptr}),
      room_(room) {
  LayerWeights* layers = At<LayerWeights>(plan_.layers);
  for (uint32_t i = 0; i < model_.config.layers; ++i) new (layers + i) LayerWeights(FindLayer(model_, i));
  std::memset(streams(), 0, plan_.limits.streams * sizeof(Stream));
  if (kHasDeltas && model_.config.adapter_rank != 0) {
    for (uint32_t i = 0; i < model_.tensor_count; ++i) {
      const TableEntry entry = TensorAt(model_, i);
      if (entry.tensor.adapter != 0) At<Adapter>(plan_.adapters)[entry.tensor.adapter - 1] = entry.adapter;
    }
  }
}

// Streams are independent, so that a worker takes its own through all layers. Where runs do not cut evenly
// the workers take a range of rows each, and meet after every layer's keys and values: rows are independent
// but for those of earlier rows. With rows too few for that they share each matrix, as far as it is worth it.
void Session::Forward(uint32_t run_count, uint32_t rows) {
  const uint32_t ranges = RowRanges(rows), members = CrewMembers(rows);
  Crew alone(nullptr);
  if (kHasWorkers && ranges == 1 && members > 1) {
    return RunCrew(workers_, members, [&](Crew& crew) { ForwardRuns(0, run_count, crew); });
  }
  if (!kHasWorkers || ranges == 1) return ForwardRuns(0, run_count, alone);
  if (CutsEvenly(run_count, rows, ranges)) {
    return ParallelFor(workers(), ranges, [&](uint32_t i) {
      Crew one(nullptr);
      ForwardRuns(FirstRun(run_count, rows, i, ranges), FirstRun(run_count, rows, i + 1, ranges), one);
    });
  }
  for (uint32_t step = 0; step <= model_.config.layers; ++step) {
    ParallelFor(workers(), ranges, [&](uint32_t i) {
      const size_t begin = size_t{rows} * i / ranges, end = size_t{rows} * (i + 1) / ranges;
      Step(step, {runs(), run_count, begin, end});
    });
  }
}

uint32_t Session::RowRanges(uint32_t rows) const {
  if (!kHasWorkers || rows < kFewestRows * workers_.count) return 1;
  return static_cast<uint32_t>(RangeCount(workers(), rows, RowMacs() / kInt8Speed));
}

uint32_t Session::CrewMembers(uint32_t rows) const {
  size_t members = rows * RowMacs() / kMemberMacs;
  const size_t limits[] = {workers_.count, plan_.limits.batch / rows, CrewState::kMostMembers};
  for (const size_t limit : limits) members = members < limit ? members : limit;
  return static_cast<uint32_t>(members);
}

uint32_t Session::FirstRun(uint32_t run_count, uint32_t rows, uint32_t part, uint32_t parts) const {
  const auto row = static_cast<uint32_t>(uint64_t{rows} * part / parts);
  uint32_t i = 0;
  while (i < run_count && runs()[i].row + runs()[i].length / 2 < row) ++i;
  return i;
}

bool Session::CutsEvenly(uint32_t run_count, uint32_t rows, uint32_t parts) const {
  uint32_t begin = 0;
  for (uint32_t i = 1; i <= parts; ++i) {
    const uint32_t next = FirstRun(run_count, rows, i, parts),
                   end = next < run_count ? runs()[next].row : rows;
    if (uint64_t{end - begin} * parts * 8 > uint64_t{rows} * 9) return false;
    begin = end;
  }
  return true;
}

void Session::ForwardRuns(uint32_t first, uint32_t last, Crew& crew) {
  const LayerWeights* layers = At<LayerWeights>(plan_.layers);
  const Run* const all = runs();
  const size_t space = all[first].row;
  for (uint32_t next; first < last; first = next) {
    size_t end = all[first].row + all[first].length;
    for (next = first + 1; next < last && end + all[next].length <= all[first].row + kGroupRows; ++next) {
      end += all[next].length;
    }
    const Rows rows = {all + first, next - first, all[first].row, end};
    crew.Step(1, 0, [&](size_t, size_t) { Embed(rows); });
    for (uint32_t i = 0; i < model_.config.layers; ++i) {
      AttentionHalf(layers[i], shape_, rows, AttentionOf(i, rows, space, crew), crew);
      FeedForwardHalf(layers[i], shape_, rows.count(), FeedForwardOf(i, rows, space, crew), crew);
    }
  }
}

void Session::Step(uint32_t step, const Rows& rows) {
  const LayerWeights* layers = At<LayerWeights>(plan_.layers);
  const size_t space = rows.begin;
  Crew alone(nullptr);
  if (step == 0) {
    Embed(rows);
  } else {
    AttendAndAdd(layers[step - 1], shape_, rows, AttentionOf(step - 1, rows, space, alone), alone);
    FeedForwardHalf(layers[step - 1], shape_, rows.count(), FeedForwardOf(step - 1, rows, space, alone),
                    alone);
  }
  if (step == model_.config.layers) return;
  ProjectAndStore(layers[step], shape_, rows, AttentionOf(step, rows, space, alone), alone);
}

void Session::Embed(const Rows& rows) {
  const Run* run = rows.runs;
  for (size_t r = rows.begin; r < rows.end; ++r) {
    while (r >= run->row + run->length) ++run;
    const auto position = static_cast<uint32_t>(run->start + (r - run->row));
    EmbedToken(embeddings_, shape_, HistoryOf(run->sequence)[position], position,
               At<float>(plan_.residual) + r * shape_.width_stride,
               At<float>(plan_.normed) + r * shape_.width_stride);
    RopeAngles(model_.config.rope_turns, shape_.rotary() / 2, position,
               At<float>(plan_.angles) + r * shape_.head_size);
    EmbedWindowAngles(position, r);
  }
}

#ifdef CLLM_WITHOUT_VARIANTS
void Session::EmbedWindowAngles(uint32_t /*position*/, size_t /*row*/) {}
#else
void Session::EmbedWindowAngles(uint32_t position, size_t row) {
  if (!shape_.variant.window_rope) return;
  RopeAngles(model_.config.window_rope_turns, shape_.rotary() / 2, position,
             At<float>(plan_.window_angles) + row * shape_.head_size);
}
#endif

Prepared Session::PreparedFrom(size_t row) const {
  const QuantizedRows all = {At<int8_t>(plan_.quantized), static_cast<size_t>(plan_.quantized_stride),
                             At<RowScale>(plan_.row_scales),
                             TakesGroupSums(model_.config.weights) ? At<int16_t>(plan_.group_sums) : nullptr};
  if (!kHasDeltas) return {all.From(row)};
  return {all.From(row),
          {At<Adapter>(plan_.adapters), At<float>(plan_.low_rank) + row * model_.config.adapter_rank}};
}

HalfBuffers Session::HalfOf(const Rows& rows, size_t space, const Crew& crew, Role post_norm,
                            uint32_t layer) const {
  const size_t own = space + crew.index() * rows.count();
  float* residual = At<float>(plan_.residual) + rows.begin * shape_.width_stride;
  return {{residual, At<float>(plan_.normed) + own * shape_.width_stride, nullptr, nullptr},
          residual,
          PreparedFrom(own),
          kHasVariants ? At<float>(plan_.added) + space * shape_.width_stride : nullptr,
          shape_.variant.norms_after() ? static_cast<const float*>(FindTensor(model_, post_norm, layer).data)
                                       : nullptr};
}

// Each row's scratch is its own, so that rows may be in different halves of the layer at the same time.
AttentionBuffers Session::AttentionOf(uint32_t layer, const Rows& rows, size_t space,
                                      const Crew& crew) const {
  float* scratch = ScratchOf(space);
  const auto stride = static_cast<size_t>(plan_.quantized_stride);
  const size_t window = shape_.variant.window(layer);
  return {HalfOf(rows, space, crew, Role::kAttentionPostNorm, layer),
          scratch,
          nullptr,
          scratch + rows.count() * shape_.qkv_stride,
          scratch + rows.count() * shape_.qkv_stride,
          nullptr,
          At<float>(window != 0 && shape_.variant.window_rope ? plan_.window_angles : plan_.angles),
          CacheOf(layer),
          {At<int8_t>(plan_.quantized) + space * stride, stride,
           At<RowScale>(plan_.head_scales) + space * static_cast<size_t>(plan_.head_scale_stride),
           static_cast<size_t>(plan_.head_scale_stride)},
          window};
}

KvCache Session::CacheOf(uint32_t layer) const {
  const auto context = static_cast<size_t>(RoundUp(plan_.limits.context, kPanel));
  const size_t at = layer * shape_.kv_heads * plan_.limits.streams * context, size = shape_.head_size;
  KvCache cache = {{}, {}, {}, {}, context};
  const uint32_t format = plan_.limits.kv_format;
  if (!kHasSmallCache || format == CLLM_KV_F32) {
    cache.floats = {At<float>(plan_.keys) + at * size, At<float>(plan_.values) + at * size};
    return cache;
  }
  if (HasLatticeValues(format)) {
    const LatticeHead values = {At<uint8_t>(plan_.values), At<uint8_t>(plan_.value_scales)};
    cache.lattice_values = values.From(at, size);
  } else {
    cache.int8.values = At<int8_t>(plan_.values) + at * size;
    cache.int8.value_scales = At<uint16_t>(plan_.value_scales) + at;
  }
  if (HasInt8Keys(format)) {
    cache.int8.keys = At<uint8_t>(plan_.keys) + at * RoundUp(size, 4);
    cache.int8.key_scales = At<uint16_t>(plan_.key_scales) + at;
  } else {
    const LatticeHead keys = {At<uint8_t>(plan_.keys), At<uint8_t>(plan_.key_scales)};
    cache.lattice_keys = keys.From(at, size);
  }
  return cache;
}

FeedForwardBuffers Session::FeedForwardOf(uint32_t layer, const Rows& rows, size_t space,
                                          const Crew& crew) const {
  float* scratch = ScratchOf(space);
  return {HalfOf(rows, space, crew, Role::kFeedForwardPostNorm, layer), scratch,
          scratch + rows.count() * shape_.inputs() * shape_.hidden_stride};
}

// Logits of the finals, at most a batch of them at a time.
void Session::ComputeLogits(uint32_t rows) {
  const size_t vocabulary = PaddedRow(model_.config.vocabulary_size), width = shape_.width_stride;
  for (uint32_t done = 0; done < rows; done += plan_.limits.batch) {
    const uint32_t count = rows - done < plan_.limits.batch ? rows - done : plan_.limits.batch;
    const uint32_t ranges = RowRanges(count);
    ParallelFor(ranges > 1 ? workers() : nullptr, ranges, [&](uint32_t i) {
      const size_t begin = size_t{count} * i / ranges, end = size_t{count} * (i + 1) / ranges;
      Crew crew(ranges > 1 ? nullptr : workers());
      float* logits = At<float>(plan_.logits) + (done + begin) * vocabulary;
      NormLinear(final_norm_, head_, nullptr, shape_, end - begin,
                 {At<float>(plan_.finals) + (done + begin) * width, At<float>(plan_.normed) + begin * width,
                  nullptr, nullptr},
                 logits, vocabulary, PreparedFrom(begin), crew);
      const LogitMap map = {shape_.variant.logit_scale, shape_.variant.logit_softcap};
      if (kHasVariants && !map.is_identity()) MapLogits(map, (end - begin) * vocabulary, logits);
    });
  }
}

Status Session::Logits(uint32_t row, const float** logits) const {
  if (logits_count_ == 0) return CLLM_NO_LOGITS;
  if (row >= logits_count_) return CLLM_INDEX_RANGE;
  for (uint32_t s = 0; s < plan_.limits.streams; ++s) {
    if (row - streams()[s].first_logits >= streams()[s].logits_count) continue;
    *logits = LogitsAt(row);
    return CLLM_OK;
  }
  return CLLM_NO_LOGITS;
}

Status Session::Next(uint32_t stream, const cllm_sampling* sampling, uint32_t* token) {
  if (stream >= plan_.limits.streams) return CLLM_STREAM_RANGE;
  const Stream& from = streams()[stream];
  if (from.logits_count == 0) return CLLM_NO_LOGITS;
  const float* logits = LogitsAt(from.first_logits + from.logits_count - 1);
  if (sampling == nullptr) {
    *token = ArgMax(logits, model_.config.vocabulary_size);
    return CLLM_OK;
  }
  CLLM_RETURN_IF_ERROR(ValidateSampling(*sampling));
  return Sample(*sampling, logits, model_.config.vocabulary_size, HistoryOf(stream), from.position,
                from.position, At<void>(plan_.sampling), token);
}

Status Session::Rewind(uint32_t stream, uint32_t position) {
  if (stream >= plan_.limits.streams) return CLLM_STREAM_RANGE;
  if (position > streams()[stream].position) return CLLM_POSITION_RANGE;
  streams()[stream] = {position, 0, 0};
  return CLLM_OK;
}

}  // namespace cllm
