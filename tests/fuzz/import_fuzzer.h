// What the fuzzers of importers run on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_IMPORT_FUZZER_H_
#define CLLM_TESTS_FUZZ_IMPORT_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace cllm::testing {

enum class Importer {
  kGguf,
  kSafetensors,
  kTokenizerJson,
  kConfigJson,
  kTokenizerModel,
  kLlama2c,
  kLlama2cTokenizer
};
inline constexpr Importer kImporters[] = {
    Importer::kGguf,           Importer::kSafetensors, Importer::kTokenizerJson,   Importer::kConfigJson,
    Importer::kTokenizerModel, Importer::kLlama2c,     Importer::kLlama2cTokenizer};

// Imports the bytes: a whole source, or one file of a source whose other files are good. What is taken is
// written as a model, opened, and fed tokens; a lie ends in the sanitizer.
absl::Status ImportAndRun(Importer importer, const uint8_t* data, size_t size);

// Bytes that are good, at least one of them.
const std::vector<std::string>& GoodImports(Importer importer);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_IMPORT_FUZZER_H_
