// What the fuzzers of importers run on each input, shared with the deterministic test.
#ifndef CLLM_TESTS_FUZZ_IMPORT_FUZZER_H_
#define CLLM_TESTS_FUZZ_IMPORT_FUZZER_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace cllm::testing {

enum class Importer { kGguf, kSafetensors, kTokenizerJson, kConfigJson };
inline constexpr Importer kImporters[] = {Importer::kGguf, Importer::kSafetensors, Importer::kTokenizerJson,
                                          Importer::kConfigJson};

// Imports the bytes: a GGUF file, or this file of a Hugging Face folder whose other files are good. What is
// taken is written as a model, opened, and fed tokens; a lie ends in the sanitizer.
absl::Status ImportAndRun(Importer importer, const uint8_t* data, size_t size);

// Bytes that are good.
const std::string& GoodImport(Importer importer);

}  // namespace cllm::testing

#endif  // CLLM_TESTS_FUZZ_IMPORT_FUZZER_H_
