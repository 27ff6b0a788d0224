// Deterministic mutations of importers' sources through the fuzzers' targets.
#include <random>

#include "doctest/doctest.h"
#include "fuzz/import_fuzzer.h"

namespace cllm {
namespace {

using testing::GoodImports;
using testing::Importer;

absl::Status Import(Importer importer, const std::string& bytes) {
  return testing::ImportAndRun(importer, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

TEST_CASE("good sources, truncated ones, and random changes of each") {
  std::mt19937 random(11);
  for (const Importer importer : testing::kImporters) {
    const int number = static_cast<int>(importer);
    CAPTURE(number);
    for (const std::string& good : GoodImports(importer)) {
      const absl::Status status = Import(importer, good);
      REQUIRE_MESSAGE(status.ok(), status.message());
    }
    const std::string& good = GoodImports(importer).back();
    // Of its first bytes, weights behind.
    const size_t structure = importer == Importer::kLlama2c ? 28 : 400;
    int taken = 0, refused = 0;
    for (int trial = 0; trial < 60; ++trial) {
      std::string changed = good;
      const size_t range = std::min<size_t>(good.size(), trial % 2 == 0 ? structure : 6000);
      for (uint32_t i = 1 + random() % 3; i > 0; --i) changed[random() % range] = static_cast<char>(random());
      if (trial % 8 == 0) changed = good.substr(0, random() % good.size());
      ++(Import(importer, changed).ok() ? taken : refused);
    }
    CHECK(refused > 10);
  }
}

}  // namespace
}  // namespace cllm
