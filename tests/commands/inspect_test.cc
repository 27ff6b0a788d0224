#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

TEST_CASE("inspect --json parses and its memory plan follows --context and --batch") {
  const TemporaryDirectory folder;
  for (const Dtype format : {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4, Dtype::kLattice4}) {
    const std::string model = WriteLetterModel(folder.path(), format);
    const auto plan = [&](const std::string& context, const std::string& batch) {
      const Finished finished =
          RunProgram({"inspect", model, "--json", "--context", context, "--batch", batch});
      REQUIRE(finished.exit_code == 0);
      return nlohmann::json::parse(finished.out);
    };
    const nlohmann::json full = plan("48", "32"), little = plan("16", "1");
    CHECK(full["file_bytes"] == ReadBytes(model).size());
    CHECK(full["plan"]["context"] == 48);
    CHECK(little["plan"]["batch"] == 1);
    CHECK(little["plan"]["room_bytes"] < full["plan"]["room_bytes"]);
    uint64_t parts = 0;
    for (const auto& part : full["parts"]) parts += part.get<uint64_t>();
    CHECK(parts == ReadBytes(model).size());
  }
}

TEST_CASE("inspect in words") {
  const TemporaryDirectory folder;
  const Finished finished = RunProgram({"inspect", WriteLetterModel(folder.path(), Dtype::kI8)});
  CHECK(finished.exit_code == 0);
  for (const char* word : {"parameters", "2 layers", "characters", "layers.1.gate_up", "digest", "room"}) {
    CAPTURE(word);
    CHECK(Contains(finished.out, word));
  }
}

TEST_CASE("inspect reports a changed weight and limits that the model lacks") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  std::string bytes = ReadBytes(model);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  const std::string changed = folder.path() + "/changed.cllm";
  WriteBytes(changed, bytes);
  const Finished finished = RunProgram({"inspect", changed});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, changed));
  CHECK(Contains(finished.err, "digests"));
  const Finished limits = RunProgram({"inspect", model, "--context", "1000"});
  CHECK(limits.exit_code == 1);
  CHECK(Contains(limits.err, "context"));
}

TEST_CASE("inspect --device says whether a model fits") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8);
  const Finished fits = RunProgram({"inspect", model, "--device", "nRF52840", "--kv", "int8"});
  CHECK(fits.exit_code == 0);
  for (const char* word :
       {"262,144 bytes", "code at most", "stack at most", "fits", "Product Specification"}) {
    CAPTURE(word);
    CHECK(Contains(fits.out, word));
  }
  const Finished json = RunProgram({"inspect", model, "--device", "RP2040", "--batch", "1", "--json"});
  const auto report = nlohmann::json::parse(json.out);
  CHECK(report["device"]["room_bytes"] == report["plan"]["room_bytes"]);
  CHECK(report["device"]["ram_fits"] == true);
  CHECK(Contains(RunProgram({"inspect", "--device", "list"}).out, "STM32H743ZI"));
  CHECK(RunProgram({"inspect"}).exit_code != 0);
  const Finished unknown = RunProgram({"inspect", model, "--device", "Z80"});
  CHECK(unknown.exit_code == 1);
  CHECK(Contains(unknown.err, "STM32F407VG"));
}

}  // namespace
}  // namespace cllm::testing
