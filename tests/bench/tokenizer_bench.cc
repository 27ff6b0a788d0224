// Speed of tokenizers over a text file, in bytes of text a second on one thread: how long a vocabulary of
// 4,096 tokens takes to learn, and how fast text is encoded with it.
//   tokenizer_bench FILE [--benchmark_filter=encode]
#include <benchmark/benchmark.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "converter/tokenizer/segments.h"
#include "converter/tokenizer/text_encoder.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "converter/tokenizer/train.h"

namespace cllm {
namespace {

constexpr uint32_t kVocabulary = 4096;
constexpr TokenizerKind kKinds[] = {TokenizerKind::kByteBpe, TokenizerKind::kWordPiece, TokenizerKind::kWords,
                                    TokenizerKind::kCharacters};

void BenchTraining(benchmark::State& state, TokenizerKind kind, const std::string& text) {
  for (auto _ : state) {
    const auto tables = TrainVocabulary(kind, kVocabulary, {text});
    if (!tables.ok()) return state.SkipWithError(std::string(tables.status().message()).c_str());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

void BenchEncoding(benchmark::State& state, TokenizerKind kind, const std::string& text) {
  const auto tables = TrainVocabulary(kind, kVocabulary, {text});
  if (!tables.ok()) return state.SkipWithError(std::string(tables.status().message()).c_str());
  const TokenizerSegments segments = PackTokenizer(*tables).value();
  for (auto _ : state) {
    TextEncoder encoder(ViewOfSegments(*tables, segments));
    std::vector<uint32_t> tokens;
    if (encoder.Append(text, &tokens) != CLLM_OK) state.SkipWithError("cannot be encoded");
    benchmark::DoNotOptimize(tokens.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 2) return std::fprintf(stderr, "usage: tokenizer_bench FILE [--benchmark_...]\n"), 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const cllm::TokenizerKind kind : cllm::kKinds) {
    const std::string name = cllm::TokenizerKindName(kind);
    benchmark::RegisterBenchmark(("train/" + name).c_str(), cllm::BenchTraining, kind, text);
    benchmark::RegisterBenchmark(("encode/" + name).c_str(), cllm::BenchEncoding, kind, text);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
