#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

TEST_CASE("the shapes have the parameters that their names promise") {
  const std::vector<std::pair<std::string, uint64_t>> shapes = {{"82k", 82240}, {"510k", 509056}};
  for (const auto& entry : shapes) {
    const auto& shape = entry.first;
    for (const char* format : {"f32", "int8", "int4", "lattice3"}) {
      CAPTURE(shape);
      const Finished finished =
          RunProgram({"bench", "--shape", shape, "--format", format, "--json", "--threads", "1"});
      CAPTURE(finished.err);
      REQUIRE(finished.exit_code == 0);
      const nlohmann::json json = nlohmann::json::parse(finished.out);
      CHECK(json["parameters"] == entry.second);
      CHECK(json["format"] == format);
      CHECK(json["prefill_tokens_per_second"].get<double>() > 0);
      CHECK(json["decode_tokens_per_second"].get<double>() > 0);
      CHECK(json["forward_tokens"] == 100);
      CHECK(json["forward_tokens_per_second"].get<double>() > 0);
      CHECK(json["sequences"] == 8);
      CHECK(json["batched_forward_tokens_per_second"].get<double>() > 0);
      CHECK(json["streams"] == 32);
      CHECK(json["streams_tokens_per_second"].get<double>() > 0);
      // Not how large: speed and limit are measured one after the other, on a machine that others use, too.
      for (const char* fraction : {"prefill_fraction", "decode_fraction"}) {
        CHECK(json[fraction].get<double>() > 0);
      }
      CHECK(json["repetitions"].get<int>() >= 3);
      CHECK(json["room_bytes"].get<uint64_t>() > 0);
      CHECK(json["model_bytes"].get<uint64_t>() > entry.second * 3 / 8);
      if (json["first_token_seconds"].is_null()) {
        CHECK(Contains(finished.err, "first token"));
      } else {
        CHECK(json["first_token_seconds"].get<double>() > 0);
        // The process reads the whole model for a token, and it is mapped.
        CHECK(json["first_token_resident_bytes"].get<uint64_t>() > json["model_bytes"].get<uint64_t>());
      }
    }
  }
}

TEST_CASE("bench of a file, in words") {
  const TemporaryDirectory folder;
  const Finished finished =
      RunProgram({"bench", WriteLetterModel(folder.path(), Dtype::kI8), "--threads", "2"});
  CHECK(finished.exit_code == 0);
  for (const char* word :
       {"prefill", "decode", "forward", "32 streams", "first token", "model", "room", "48 tokens"}) {
    CAPTURE(word);
    CHECK(Contains(finished.out, word));
  }
}

}  // namespace
}  // namespace cllm::testing
