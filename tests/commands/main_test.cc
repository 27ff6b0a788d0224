#include <doctest/doctest.h>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

const std::vector<std::string> kCommands = {"train", "import",  "quantize", "generate",
                                            "eval",  "inspect", "digest",   "bench"};

TEST_CASE("help and version go to stdout") {
  const Finished help = RunProgram({"--help"});
  CHECK(help.exit_code == 0);
  CHECK(help.err.empty());
  for (const std::string& command : kCommands) {
    CAPTURE(command);
    CHECK(Contains(help.out, "  " + command + " "));
    const Finished one = RunProgram({command, "--help"});
    CHECK(one.exit_code == 0);
    CHECK(one.err.empty());
    CHECK(Contains(one.out, "Example"));
    CHECK(Contains(one.out, "  cllm " + command + " "));
    CHECK(Contains(one.out, "stdout"));
  }
  const Finished version = RunProgram({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(version.out == std::string("cllm ") + cllm_version() + "\n");
}

TEST_CASE("every flag of the fixed forms is in the help text") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> forms = {
      {"train",
       {"--data", "-o", "--config", "--tokenizer", "--vocab", "--steps", "--minutes", "--threads", "--seed",
        "--val-fraction"}},
      {"import", {"SRC", "-o", "--tokenizer"}},
      {"quantize", {"IN", "--format", "-o", "int8"}},
      {"generate",
       {"MODEL", "--prompt", "--tokens", "--temperature", "--top-k", "--top-p", "--min-p", "--seed",
        "--threads", "--repetition-penalty"}},
      {"eval", {"MODEL", "--data", "--json", "--threads", "--context"}},
      {"inspect", {"MODEL", "--json", "--context", "--batch"}},
      {"digest", {"MODEL", "--tokens", "--threads", "--target", "--split"}},
      {"bench",
       {"MODEL", "--shape", "--format", "--threads", "--json", "82k", "260k", "510k", "15m", "110m"}},
  };
  for (const auto& form : forms) {
    const std::string& command = form.first;
    const std::string help = RunProgram({command, "--help"}).out;
    for (const std::string& word : form.second) {
      CAPTURE(command);
      CAPTURE(word);
      CHECK(Contains(help, word));
    }
  }
}

TEST_CASE("wrong usage ends with 2, names the thing and points to the help") {
  struct Case {
    std::vector<std::string> arguments;
    std::string names;
  };
  const std::vector<Case> cases = {
      {{}, "COMMAND"},
      {{"frobnicate"}, "frobnicate"},
      {{"generate"}, "MODEL"},
      {{"generate", "m.cllm", "--frobnicate"}, "--frobnicate"},
      {{"generate", "m.cllm", "--tokens"}, "--tokens"},
      {{"generate", "m.cllm", "--tokens", "abc"}, "'abc'"},
      {{"generate", "m.cllm", "--tokens", "0"}, "'0'"},
      {{"generate", "m.cllm", "--tokens", "-1"}, "'-1'"},
      {{"generate", "m.cllm", "--tokens", "99999999999999999999"}, "--tokens"},
      {{"generate", "m.cllm", "--temperature", "nan"}, "'nan'"},
      {{"generate", "m.cllm", "--temperature", "inf"}, "'inf'"},
      {{"generate", "m.cllm", "--temperature", "-0.5"}, "--temperature"},
      {{"generate", "m.cllm", "--top-p", "1.5"}, "--top-p"},
      {{"generate", "m.cllm", "--min-p", "x"}, "--min-p"},
      {{"generate", "m.cllm", "--seed", "-1"}, "--seed"},
      {{"generate", "m.cllm", "--threads", "0"}, "--threads"},
      {{"quantize", "m.cllm", "-o", "x.cllm"}, "--format"},
      {{"quantize", "m.cllm", "--format", "int3", "-o", "x.cllm"}, "int8"},
      {{"quantize", "m.cllm", "--format", "int8"}, "--output"},
      {{"train", "-o", "x.cllm"}, "--data"},
      {{"train", "--data", "t", "-o", "x", "--config", "huge"}, "huge"},
      {{"train", "--data", "t", "-o", "x", "--tokenizer", "word"}, "bpe, wordpiece, words, char"},
      {{"train", "--data", "t", "-o", "x", "--tokenizer", "char", "--vocab", "300"}, "--vocab"},
      {{"train", "--data", "t", "-o", "x", "--steps", "5", "--minutes", "1"}, "--steps"},
      {{"train", "--data", "t", "-o", "x", "--val-fraction", "1"}, "--val-fraction"},
      {{"digest", "m.cllm", "--target", "AVX9"}, "AVX9"},
      {{"bench"}, "--shape"},
      {{"bench", "--shape", "82k"}, "--format"},
      {{"bench", "--shape", "7b", "--format", "f32"}, "82k"},
      {{"bench", "m.cllm", "--format", "f32"}, "--format"},
  };
  for (const Case& c : cases) {
    std::string line = "cllm";
    for (const std::string& argument : c.arguments) line += " " + argument;
    CAPTURE(line);
    const Finished finished = RunProgram(c.arguments);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 2);
    CHECK(finished.out.empty());
    CHECK(Contains(finished.err, c.names));
    CHECK(Contains(finished.err, "--help"));
  }
}

TEST_CASE("a model that cannot be read ends each command with 1 and is named") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text";
  WriteBytes(text,
             "Once upon a time there was a file that was no model at all, but only a text of some length.");
  const std::string empty = folder.path() + "/empty";
  WriteBytes(empty, "");
  const std::string out = folder.path() + "/out.cllm";
  for (const std::string& path : {folder.path() + "/missing", folder.path(), text, empty}) {
    for (const std::vector<std::string>& arguments :
         std::vector<std::vector<std::string>>{{"generate", path},
                                               {"eval", path, "--data", text},
                                               {"inspect", path},
                                               {"digest", path},
                                               {"bench", path},
                                               {"quantize", path, "--format", "int8", "-o", out},
                                               {"import", path, "-o", out}}) {
      CAPTURE(arguments[0]);
      CAPTURE(path);
      const Finished finished = RunProgram(arguments);
      CAPTURE(finished.err);
      CHECK(finished.exit_code == 1);
      CHECK(finished.out.empty());
      CHECK(Contains(finished.err, path));
    }
  }
  CHECK(Listing(folder.path()) == "empty text ");
}

}  // namespace
}  // namespace cllm::testing
