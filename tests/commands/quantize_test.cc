#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

TEST_CASE("quantize prints both sizes and refuses a second rounding") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string small = folder.path() + "/small.cllm";
  const Finished finished = RunProgram({"quantize", model, "--format", "int8", "-o", small});
  CHECK(finished.exit_code == 0);
  CHECK(finished.out.empty());
  CHECK(Contains(finished.err, model + ": "));
  CHECK(Contains(finished.err, small + ": "));
  CHECK(ReadBytes(small) == ReadBytes(WriteLetterModel(folder.path(), Dtype::kI8)));
  const Finished again =
      RunProgram({"quantize", small, "--format", "int8", "-o", folder.path() + "/again.cllm"});
  CHECK(again.exit_code == 1);
  CHECK(Contains(again.err, small));
  CHECK(Listing(folder.path()) == "letters.cllm letters8.cllm small.cllm ");
}

TEST_CASE("quantize to points of the lattice") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string small = folder.path() + "/small.cllm";
  REQUIRE(RunProgram({"quantize", model, "--format", "lattice3", "-o", small}).exit_code == 0);
  const auto report = nlohmann::json::parse(RunProgram({"inspect", small, "--json"}).out);
  for (const auto& tensor : report["tensors"]) {
    CHECK(tensor["dtype"] == (tensor["rows"] != 1 ? "lattice3" : "f32"));
  }
  CHECK(Contains(RunProgram({"inspect", small}).out, "\"calibration\":\"own\""));
  const Finished again = RunProgram({"quantize", small, "--format", "int8", "-o", model});
  CHECK(again.exit_code != 0);
  CHECK(Contains(again.err, "lattice3 weights already"));
}

TEST_CASE("quantize for a text, and to a size") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string text = folder.path() + "/text.txt", small = folder.path() + "/small.cllm";
  const std::string again = folder.path() + "/again.cllm";
  WriteBytes(text, "abcabcaabbccabcabcbca");
  const std::vector<std::string> four = {"quantize",    model, "--format", "lattice4",
                                         "--calibrate", text,  "-o"};
  for (const std::string threads : {"1", "3"}) {
    std::vector<std::string> arguments = four;
    arguments.insert(arguments.end(), {threads == "1" ? small : again, "--threads", threads});
    REQUIRE(RunProgram(arguments).exit_code == 0);
  }
  CHECK(ReadBytes(small) == ReadBytes(again));

  const size_t bytes = ReadBytes(small).size() + 100;
  const Finished sized =
      RunProgram({"quantize", model, "--bytes", std::to_string(bytes), "--calibrate", text, "-o", again});
  REQUIRE(sized.exit_code == 0);
  CHECK(ReadBytes(again).size() <= bytes);
  CHECK(Contains(sized.err, "in lattice3: "));
  CHECK(Contains(RunProgram({"inspect", again}).out, "\"formats\""));
  CHECK(RunProgram({"quantize", model, "--bits", "32", "-o", again}).exit_code == 0);

  const Finished tiny = RunProgram({"quantize", model, "--bytes", "100", "-o", again});
  CHECK(tiny.exit_code == 1);
  CHECK(Contains(tiny.err, "too small"));
  CHECK(RunProgram({"quantize", model, "-o", again}).exit_code == 2);
  CHECK(RunProgram({"quantize", model, "--bits", "3", "--format", "int8", "-o", again}).exit_code == 2);
  CHECK(RunProgram(
            {"quantize", model, "--format", "lattice2", "--calibrate", folder.path() + "/none", "-o", again})
            .exit_code == 1);
}

TEST_CASE("quantize to int4, with the embedding in int8 or without") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string small = folder.path() + "/small.cllm", mixed = folder.path() + "/mixed.cllm";
  REQUIRE(RunProgram({"quantize", model, "--format", "int4", "-o", small}).exit_code == 0);
  CHECK(ReadBytes(small) == ReadBytes(WriteLetterModel(folder.path(), Dtype::kI4)));
  REQUIRE(RunProgram({"quantize", model, "--format", "int4", "--embedding", "int8", "-o", mixed}).exit_code ==
          0);
  const auto report = nlohmann::json::parse(RunProgram({"inspect", mixed, "--json"}).out);
  for (const auto& tensor : report["tensors"]) {
    const bool matrix = tensor["rows"] != 1;
    const bool table = tensor["name"] == "token_embedding" || tensor["name"] == "head";
    CHECK(tensor["dtype"] == (table ? "int8" : matrix ? "int4" : "f32"));
  }
  const Finished again =
      RunProgram({"quantize", small, "--format", "int8", "-o", folder.path() + "/again.cllm"});
  CHECK(again.exit_code == 1);
  CHECK(Contains(again.err, "int4 weights already"));
}

TEST_CASE("quantize to bf16: half the bytes, norms stay float32, and integers may follow") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string half = folder.path() + "/half.cllm", small = folder.path() + "/small.cllm";
  REQUIRE(RunProgram({"quantize", model, "--format", "bf16", "-o", half}).exit_code == 0);
  CHECK(ReadBytes(half) == ReadBytes(WriteLetterModel(folder.path(), Dtype::kBf16)));
  const auto report = nlohmann::json::parse(RunProgram({"inspect", half, "--json"}).out);
  CHECK(report["config"]["weights"] == "bf16");
  for (const auto& tensor : report["tensors"])
    CHECK(tensor["dtype"] == (tensor["rows"] != 1 ? "bf16" : "f32"));
  CHECK(RunProgram({"quantize", half, "--format", "int8", "-o", small}).exit_code == 0);
  const Finished mixed =
      RunProgram({"quantize", model, "--format", "bf16", "--embedding", "int8", "-o", small});
  CHECK(mixed.exit_code == 2);
  CHECK(Contains(mixed.err, "--embedding"));
}

TEST_CASE("stories260K in int8 is 0.29 MB or less") {
  const std::string data = SharedPath("data/stories260K");
  if (data.empty()) return;
  const TemporaryDirectory folder;
  const std::string model = folder.path() + "/s.cllm", small = folder.path() + "/s8.cllm";
  REQUIRE(RunProgram({"import", data + "/stories260K.bin", "--tokenizer", data + "/tok512.bin", "-o", model})
              .exit_code == 0);
  REQUIRE(RunProgram({"quantize", model, "--format", "int8", "-o", small}).exit_code == 0);
  CHECK(ReadBytes(small).size() <= 290000);
}

}  // namespace
}  // namespace cllm::testing
