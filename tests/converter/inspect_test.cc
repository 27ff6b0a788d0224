#include "converter/inspect/inspect.h"

#include <numeric>

#include "doctest/doctest.h"
#include "nlohmann/json.hpp"
#include "support/small_file.h"

namespace cllm {
namespace {

using testing::SmallFile;

uint64_t SumOfParts(const ModelReport& report) {
  return std::accumulate(report.parts.begin(), report.parts.end(), uint64_t{0},
                         [](uint64_t sum, const PartReport& part) { return sum + part.bytes; });
}

TEST_CASE("parts add up to the file, digests match, the plan is what measure says") {
  const std::string bytes = SmallFile(Dtype::kI8);
  const auto file = ModelFile::FromBytes(bytes, "small");
  REQUIRE(file.ok());
  const auto report = Inspect(*file, 16, 4);
  REQUIRE_MESSAGE(report.ok(), report.status().message());
  CHECK(report->file_bytes == bytes.size());
  CHECK(SumOfParts(*report) == bytes.size());
  CHECK(report->digests_match);
  CHECK(report->tensors.size() == 15);
  CHECK(report->tensors[3].name == "layers.0.query_key_value");
  CHECK(report->content_digest.size() == 64);
  cllm_limits limits = {sizeof(cllm_limits), 16, 4, 0, CLLM_KV_F32, 0};
  uint64_t room_bytes = 0;
  REQUIRE(cllm_session_measure(file->handle(), &limits, &room_bytes) == CLLM_OK);
  CHECK(report->room_bytes == room_bytes);
  CHECK(Inspect(*file, 0, 0)->plan_context == 24);
  CHECK(!Inspect(*file, 25, 0).ok());

  const auto json = nlohmann::json::parse(ReportJson(*report));
  CHECK(json["config"]["hidden"] == 19);
  CHECK(json["parameters"] == 8030);
  CHECK(json["plan"]["room_bytes"] == room_bytes);
  CHECK(json["provenance"]["source"] == "a test");
  CHECK(json["tensors"].size() == 15);
}

TEST_CASE("one changed weight is found") {
  std::string bytes = SmallFile();
  const auto file = ModelFile::FromBytes(bytes, "small");
  const uint64_t offset = Inspect(*file, 0, 0)->tensors[5].offset;
  bytes[offset + 1] = static_cast<char>(bytes[offset + 1] ^ 1);
  const auto changed = ModelFile::FromBytes(bytes, "changed");
  REQUIRE(changed.ok());
  const auto report = Inspect(*changed, 0, 0);
  REQUIRE(report.ok());
  CHECK(!report->digests_match);
  for (size_t i = 0; i < report->tensors.size(); ++i) CHECK(report->tensors[i].digest_matches == (i != 5));
}

}  // namespace
}  // namespace cllm
