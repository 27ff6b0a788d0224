#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

nlohmann::json Evaluate(const std::string& model, const std::string& text,
                        const std::string& context = "48") {
  const Finished finished = RunProgram({"eval", model, "--data", text, "--json", "--context", context});
  CAPTURE(finished.err);
  REQUIRE(finished.exit_code == 0);
  return nlohmann::json::parse(finished.out);
}

TEST_CASE("eval counts every token once and its three figures agree") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text";
  std::string words;
  for (int i = 0; i < 20; ++i) words += "The dog and the cat sat. ";
  words += "ä";
  WriteBytes(text, words);  // 502 bytes, 501 characters
  for (const bool begin : {true, false}) {
    const std::string model = WriteLetterModel(folder.path(), Dtype::kF32, begin);
    const nlohmann::json json = Evaluate(model, text);
    CHECK(json["tokens"] == (begin ? 501 : 500));
    CHECK(json["bytes"] == (begin ? 502 : 501));
    CHECK(json["windows"] == 11);
    const double nats = json["nats_per_token"];
    CHECK(json["perplexity"].get<double>() == doctest::Approx(std::exp(nats)));
    CHECK(json["bits_per_byte"].get<double>() ==
          doctest::Approx(nats * json["tokens"].get<double>() / std::log(2.0) / json["bytes"].get<double>()));
  }
  const Finished plain = RunProgram({"eval", WriteLetterModel(folder.path(), Dtype::kF32), "--data", text});
  CHECK(plain.exit_code == 0);
  CHECK(Contains(plain.out, "nats a token"));
  CHECK(Contains(plain.out, "bits a byte"));
  CHECK(Contains(plain.out, "perplexity"));
}

TEST_CASE("eval --compare: a line for each model, and a plot") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", plot = folder.path() + "/plot.svg";
  WriteBytes(text, "The cat sat where the dog sat.");
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string small = WriteLetterModel(folder.path(), Dtype::kI8);
  const Finished finished =
      RunProgram({"eval", "--compare", model, small, "--data", text, "--plot", plot, "--json"});
  CAPTURE(finished.err);
  REQUIRE(finished.exit_code == 0);
  const auto json = nlohmann::json::parse(finished.out);
  REQUIRE(json.size() == 2);
  CHECK(json[0]["nats_per_token"] == Evaluate(model, text)["nats_per_token"]);
  CHECK(json[1]["file_bytes"] == ReadBytes(small).size());
  CHECK(json[1]["format"] == "int8");
  CHECK(Contains(ReadBytes(plot), "letters8.cllm</text>"));
  const Finished table = RunProgram({"eval", model, "--compare", small, "--data", text});
  CHECK(Contains(table.out, "100.0%"));
  CHECK(Contains(table.out, "+0.00%"));
  CHECK(RunProgram({"eval", "--data", text}).exit_code == 2);
  CHECK(RunProgram({"eval", model, "--data", text, "--plot", plot}).exit_code == 2);
}

TEST_CASE("eval refuses texts and windows that it cannot use") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32, false);
  const std::string text = folder.path() + "/text";
  const auto error = [&](const std::string& context) {
    const Finished finished = RunProgram({"eval", model, "--data", text, "--context", context});
    CHECK(finished.exit_code == 1);
    CHECK(finished.out.empty());
    return finished.err;
  };
  CHECK(Contains(error("8"), text));  // missing
  WriteBytes(text, "");
  CHECK(Contains(error("8"), "empty"));
  WriteBytes(text, "a");
  CHECK(Contains(error("8"), "too few"));
  WriteBytes(text, "abc 123");
  CHECK(Contains(error("8"), "1"));
  WriteBytes(text, "abcd");
  CHECK(Contains(error("49"), "context"));
  const Finished directory = RunProgram({"eval", model, "--data", folder.path()});
  CHECK(directory.exit_code == 1);
  CHECK(Contains(directory.err, "folder"));
}

TEST_CASE("int8 loses less than 1% of stories260K") {
  const std::string data = SharedPath("data/stories260K");
  if (data.empty()) return;
  const TemporaryDirectory folder;
  const std::string model = folder.path() + "/s.cllm", small = folder.path() + "/s8.cllm";
  REQUIRE(RunProgram({"import", data + "/stories260K.bin", "--tokenizer", data + "/tok512.bin", "-o", model})
              .exit_code == 0);
  REQUIRE(RunProgram({"quantize", model, "--format", "int8", "-o", small}).exit_code == 0);
  const std::string text = folder.path() + "/text";
  WriteBytes(text, ReadBytes(data + "/greedy_1.txt") + ReadBytes(data + "/greedy_2.txt"));
  const double exact = Evaluate(model, text, "512")["nats_per_token"];
  const double rounded = Evaluate(small, text, "512")["nats_per_token"];
  CHECK(exact < 1.0);  // its own greedy texts: far likelier than any text of others
  CHECK(std::abs(rounded - exact) < 0.01);
}

}  // namespace
}  // namespace cllm::testing
