// Speed of whole training steps (forward, backward, update), on random tokens, for the recipes that other
// trainers are compared on: training_bench [--benchmark_filter=nano/threads:2]. flop/s counts what the
// mathematics needs: six operations a weight of a matrix and a token, and the causal half of attention.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "cllm/cllm.h"
#include "converter/export/write_model.h"
#include "converter/import/model_file.h"
#include "converter/run/room.h"
#include "converter/train/configurations.h"
#include "converter/train/schedule.h"
#include "converter/train/sequences_at_once.h"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Workload {
  const char* configuration;
  uint32_t sequences, length;
};
constexpr Workload kWorkloads[] = {
    {"82k", 8, 32}, {"510k", 8, 32}, {"nano", 12, 64}, {"quickstart", 4, 288}, {"15m", 4, 256}};

double FlopsPerToken(const Architecture& a, uint32_t length) {
  double weights = double(a.vocabulary_size) * a.width;
  weights += double(a.layers) * a.width * ((2.0 * a.heads + 2.0 * a.kv_heads) * a.head_size + 3.0 * a.hidden);
  return 6 * weights + 6.0 * a.layers * length * a.heads * a.head_size;
}

std::vector<uint32_t> Tokens(uint32_t vocabulary, uint32_t count, uint64_t stream) {
  std::vector<uint32_t> tokens;
  for (uint32_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<uint32_t>(Random(1, stream, i) % vocabulary));
  return tokens;
}

void Bench(benchmark::State& state, const Workload& workload, uint32_t threads, cllm_method method,
           cllm_precision precision) {
  const Architecture& architecture = FindConfiguration(workload.configuration)->architecture;
  const auto file =
      ModelFile::FromBytes(*WriteModelToString(InitialCheckpoint(architecture, 1), Dtype::kF32), "");
  ThreadPool pool(threads);
  cllm_trainer_limits limits = {sizeof(limits), workload.sequences, workload.length, method, precision};
  limits.sequences = *SequencesAtOnce(file->handle(), limits);
  uint64_t bytes = 0;
  cllm_trainer_measure(file->handle(), &limits, &bytes);
  const Room room = *Room::Allocate(bytes);
  cllm_trainer* trainer = nullptr;
  cllm_trainer_create(file->handle(), &limits, pool.workers(), room.data(), bytes, &trainer);
  const uint32_t tokens = workload.sequences * workload.length;
  const std::vector<uint32_t> inputs = Tokens(architecture.vocabulary_size, tokens, 1);
  const std::vector<uint32_t> targets = Tokens(architecture.vocabulary_size, tokens, 2);
  Recipe recipe;
  const cllm_optimizer optimizer = OptimizerAt(recipe, 1e-3f);
  for (auto _ : state) {
    float loss = 0, norm = 0;
    for (uint32_t at = 0; at < workload.sequences; at += limits.sequences) {
      const uint32_t sequences = std::min(limits.sequences, workload.sequences - at);
      cllm_trainer_accumulate(trainer, &inputs[size_t{at} * workload.length],
                              &targets[size_t{at} * workload.length], sequences, workload.length,
                              float(sequences) / float(workload.sequences), &loss);
    }
    cllm_trainer_update(trainer, &optimizer, &norm);
    benchmark::DoNotOptimize(norm);
  }
  state.counters["tok/s"] = benchmark::Counter(tokens, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["flop/s"] = benchmark::Counter(tokens * FlopsPerToken(architecture, workload.length),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

void RegisterAll() {
  for (const Workload& workload : kWorkloads) {
    for (const uint32_t threads : {1u, 2u}) {
      const auto add = [&](const char* kind, cllm_method method, cllm_precision precision) {
        const std::string name =
            std::string(workload.configuration) + kind + "/threads:" + std::to_string(threads);
        benchmark::RegisterBenchmark(name.c_str(), [&workload, threads, method,
                                                    precision](benchmark::State& state) {
          Bench(state, workload, threads, method, precision);
        })->UseRealTime();
      };
      add("", CLLM_ADAMW, CLLM_FLOAT32);
      add("/bf16", CLLM_ADAMW, CLLM_BFLOAT16);
      add("/sgd", CLLM_SGD, CLLM_FLOAT32);
      add("/muon", CLLM_MUON, CLLM_FLOAT32);
    }
  }
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  cllm::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
