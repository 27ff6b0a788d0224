// libFuzzer's entry for one importer, CLLM_IMPORTER. Mutations start from good bytes, so that it takes no
// corpus.
#include "fuzz/import_fuzzer.h"
#include "fuzz/start_from.h"

constexpr auto kImporter = cllm::testing::Importer::CLLM_IMPORTER;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)cllm::testing::ImportAndRun(kImporter, data, size);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned seed) {
  const auto& good = cllm::testing::GoodImports(kImporter);
  return cllm::testing::MutateFrom(good[seed % good.size()], data, size, most, seed / 8);
}
