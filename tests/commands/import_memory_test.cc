// `cllm import` and `cllm inspect` of a model that is larger than the memory that they may take: at most four
// times the largest tensor and 64 MB.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <filesystem>

#include "commands/program.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/export/weight_formats.h"
#include "converter/import/llama_tensors.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define CLLM_TESTS_ADDRESS_SANITIZER
#endif
#endif
#if defined(CLLM_TESTS_EMULATED) || defined(__SANITIZE_ADDRESS__) || defined(CLLM_TESTS_ADDRESS_SANITIZER)
constexpr bool kMeasures = false;
#else
constexpr bool kMeasures = true;
#endif

constexpr uint64_t kMega = 1024 * 1024;

Architecture LargeLlama() {
  Architecture a;
  a.vocabulary_size = 2000;
  a.context = 64;
  a.width = 512;
  a.layers = 16;
  a.heads = 8;
  a.kv_heads = 8;
  a.head_size = 64;
  a.hidden = 1024;
  a.rope_pairs = RopePairs::kHalves;
  return a;
}

// A Hugging Face folder of zeros, as bfloat16, of which the file system keeps nothing but the header.
void WriteZeros(const Architecture& a, const std::string& folder) {
  std::filesystem::create_directory(folder);
  WriteBytes(folder + "/config.json",
             R"({"model_type": "llama", "vocab_size": 2000, "max_position_embeddings": 64, "hidden_size": 512,
                 "num_hidden_layers": 16, "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 64,
                 "intermediate_size": 1024, "rms_norm_eps": 1e-5, "hidden_act": "silu",
                 "tie_word_embeddings": true})");
  std::string header;
  uint64_t offset = 0;
  for (const auto& [name, part] : LlamaParts(a, kHuggingFaceNames)) {
    const uint64_t columns = TensorShapes(a).at(part.key).second;
    const std::string shape =
        part.rows == 1 ? std::to_string(columns) : std::to_string(part.rows) + ", " + std::to_string(columns);
    const uint64_t end = offset + part.rows * columns * 2;
    header += (header.empty() ? "{\"" : ", \"") + name + R"(": {"dtype": "BF16", "shape": [)" + shape +
              R"(], "data_offsets": [)" + std::to_string(offset) + ", " + std::to_string(end) + "]}";
    offset = end;
  }
  header += "}";
  const uint64_t length = header.size();
  const std::string path = folder + "/model.safetensors";
  WriteBytes(path, std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header);
  std::filesystem::resize_file(path, sizeof(length) + length + offset);
}

// The largest memory that any program that was run here has had.
uint64_t PeakBytes() {
  struct rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

TEST_CASE("the largest tensor four times and 64 MB are enough, whatever the model's size") {
  if (!kMeasures) {
    std::puts("skipped: the memory of an emulator, or of a sanitizer, is its own");
    return;
  }
  const TemporaryDirectory directory;
  const Architecture a = LargeLlama();
  uint64_t largest = 0, all = 0;
  for (const auto& [key, shape] : TensorShapes(a)) {
    const uint64_t bytes = uint64_t{shape.first} * shape.second * sizeof(float);
    largest = std::max(largest, bytes);
    all += bytes;
  }
  const uint64_t most = 4 * largest + 64 * kMega;
  REQUIRE(all > most + 64 * kMega);
  const std::string folder = directory.path() + "/hf", model = directory.path() + "/m.cllm";
  WriteZeros(a, folder);
  const Finished inspected = RunProgram({"inspect", folder});
  CAPTURE(inspected.err);
  CHECK(inspected.exit_code == 0);
  CHECK(Contains(inspected.out, "16 layers"));
  CHECK(PeakBytes() < most);
  const Finished imported = RunProgram({"import", folder, "-o", model});
  CAPTURE(imported.err);
  CHECK(imported.exit_code == 0);
  CHECK(std::filesystem::file_size(model) > all);
  MESSAGE("peak memory " << PeakBytes() / kMega << " MB for " << all / kMega
                         << " MB of weights; the largest tensor " << largest / kMega << " MB");
  CHECK(PeakBytes() < most);
}

}  // namespace
}  // namespace cllm::testing
