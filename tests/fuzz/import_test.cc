// Deterministic mutations of importers' sources through the fuzzers' targets.
#include <random>

#include "doctest/doctest.h"
#include "fuzz/import_fuzzer.h"

namespace cllm {
namespace {

using testing::GoodImport;
using testing::Importer;

absl::Status Import(Importer importer, const std::string& bytes) {
  return testing::ImportAndRun(importer, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

TEST_CASE("good sources, truncated ones, and random changes of each") {
  std::mt19937 random(11);
  for (const Importer importer : testing::kImporters) {
    const int number = static_cast<int>(importer);
    CAPTURE(number);
    const std::string& good = GoodImport(importer);
    REQUIRE(Import(importer, good).ok());
    int taken = 0, refused = 0;
    for (int trial = 0; trial < 60; ++trial) {
      std::string changed = good;
      // What is structure lies in the first bytes, weights behind.
      const size_t range = std::min<size_t>(good.size(), trial % 2 == 0 ? 400 : 6000);
      for (uint32_t i = 1 + random() % 3; i > 0; --i) changed[random() % range] = static_cast<char>(random());
      if (trial % 8 == 0) changed = good.substr(0, random() % good.size());
      ++(Import(importer, changed).ok() ? taken : refused);
    }
    CHECK(refused > 10);
  }
}

}  // namespace
}  // namespace cllm
