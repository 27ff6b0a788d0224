#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

std::string Text() {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += "The little fox number " + std::to_string(i % 40) + " sees a caf\xC3\xA9, unafraid.\n";
  }
  return text;
}

TEST_CASE("tokenizers of every kind: trained, used by train, in the model, there and back") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", ids = folder.path() + "/ids";
  WriteBytes(text, Text());
  const std::pair<std::string, std::string> kinds[] = {
      {"bytes-bpe", "300"}, {"wordpiece", "80"}, {"words", "54"}, {"characters", "4096"}};
  for (const auto& entry : kinds) {
    const std::string &kind = entry.first, &vocabulary = entry.second;
    CAPTURE(kind);
    const std::string file = folder.path() + "/" + kind + ".json", model = folder.path() + "/m.cllm";
    const Finished made = RunProgram(
        {"tokenizer", "train", "--data", text, "--kind", kind, "--vocabulary", vocabulary, "-o", file});
    CAPTURE(made.err);
    REQUIRE(made.exit_code == 0);
    CHECK(made.out.empty());
    const Finished trained = RunProgram(
        {"train", "--data", text, "--config", "82k", "--steps", "2", "-o", model, "--tokenizer", file});
    CAPTURE(trained.err);
    REQUIRE(trained.exit_code == 0);
    for (const std::string& tokenizer : {file, model}) {
      const Finished encoded = RunProgram({"tokenizer", "encode", tokenizer, "--data", text}, ids);
      REQUIRE(encoded.exit_code == 0);
      CHECK(Contains(encoded.err, " tokens, "));
      const Finished decoded = RunProgram({"tokenizer", "decode", tokenizer, "--data", ids});
      CHECK(decoded.exit_code == 0);
      CHECK(decoded.out == Text());
    }
    const Finished lines =
        RunProgram({"tokenizer", "encode", model, "--data", text, "--lines", "--json"}, ids);
    REQUIRE(lines.exit_code == 0);
    CHECK(RunProgram({"tokenizer", "decode", file, "--data", ids, "--lines"}).out == Text());
  }
}

TEST_CASE("JSON lines, plain ids, arrays") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", file = folder.path() + "/t.json";
  WriteBytes(text, "ab ba\nb\n");
  REQUIRE(RunProgram({"tokenizer", "train", "--data", text, "--kind", "characters", "-o", file}).exit_code ==
          0);
  CHECK(RunProgram({"tokenizer", "encode", file, "--text", "ab a"}).out == "4 5 3 4\n");
  const Finished json = RunProgram({"tokenizer", "encode", file, "--data", text, "--lines", "--json"});
  CHECK(json.out ==
        "{\"text\":\"ab ba\",\"tokens\":[4,5,3,5,4],\"pieces\":[\"a\",\"b\",\" \",\"b\",\"a\"]}\n"
        "{\"text\":\"b\",\"tokens\":[5],\"pieces\":[\"b\"]}\n");
  for (const char* form : {"4 5  3", "[4, 5, 3]", "{\"tokens\": [4, 5, 3]}"}) {
    CHECK(RunProgram({"tokenizer", "decode", file, "--text", form}).out == "ab ");
  }
  CHECK(RunProgram({"tokenizer", "decode", file, "--text", "4 5 3", "--json"}).out == "{\"text\":\"ab \"}\n");
}

TEST_CASE("mistakes are named") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", file = folder.path() + "/t.json";
  WriteBytes(text, "some words some words");
  const auto fails = [](const std::vector<std::string>& arguments, const std::string& what, int code = 1) {
    const Finished finished = RunProgram(arguments);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == code);
    CHECK(finished.out.empty());
    CHECK(Contains(finished.err, what));
  };
  fails({"tokenizer"}, "subcommand is required", 2);
  fails({"tokenizer", "train", "--data", text}, "--output is required", 2);
  fails({"tokenizer", "train", "--data", text, "-o", file, "--vocabulary", "100000"}, "Ask for ");
  fails({"tokenizer", "train", "--data", text, "-o", file, "--kind", "wordpiece", "--vocabulary", "5"},
        "ask for 11 or more");
  fails({"tokenizer", "train", "--data", folder.path() + "/none", "-o", file}, "none: cannot read");
  fails({"tokenizer", "train", "--data", text, "-o", folder.path() + "/no/t.json"}, "does not exist");
  CHECK(Listing(folder.path()) == "text ");
  REQUIRE(RunProgram({"tokenizer", "train", "--data", text, "--kind", "characters", "-o", file}).exit_code ==
          0);
  fails({"tokenizer", "encode", file, "--text", "\xC3\xA9"}, "no token for '\xC3\xA9'");
  fails({"tokenizer", "encode", text, "--text", "a"}, "text");
  fails({"tokenizer", "decode", file, "--text", "1 x"}, "'x' is no token id");
  fails({"tokenizer", "decode", file, "--text", "[1, -2]"}, "-2 is no token id");
  fails({"tokenizer", "decode", file, "--text", "999"}, "Token 999 is not in the vocabulary");
  fails({"train", "--data", text, "-o", file, "--tokenizer", text}, "is no tokenizer");
  fails({"train", "--data", text, "-o", file, "--tokenizer", "nonsense"}, "no file 'nonsense'", 2);
}

}  // namespace
}  // namespace cllm::testing
