#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

TEST_CASE("generate writes the prompt, the text and one newline to stdout, statistics to stderr") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const Finished finished = RunProgram({"generate", model, "--prompt", "The dog", "--tokens", "30"});
  CHECK(finished.exit_code == 0);
  CHECK(finished.out.rfind("The dog", 0) == 0);
  CHECK(finished.out.back() == '\n');
  CHECK(Contains(finished.err, "7 prompt tokens"));
  CHECK(Contains(finished.err, "tok/s"));
  CHECK(Contains(finished.err, "room"));
}

TEST_CASE("--tokens counts the prompt, and a long text stops where the context ends") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  CHECK(RunProgram({"generate", model, "--prompt", "abc", "--tokens", "3"}).out == "abc\n");
  const Finished more = RunProgram({"generate", model, "--prompt", "abc", "--tokens", "2"});
  CHECK(more.exit_code == 1);
  CHECK(Contains(more.err, "3 tokens"));
  // One begin token and 47 of text are fed; the last of 48 is drawn and need not be.
  const Finished full =
      RunProgram({"generate", model, "--prompt", "abc", "--tokens", "1000", "--temperature", "0"});
  CHECK(full.exit_code == 0);
  if (Contains(full.err, "context is full")) CHECK(Contains(full.err, "3 prompt tokens, 45 generated"));
  const Finished long_prompt =
      RunProgram({"generate", model, "--prompt", std::string(48, 'a'), "--tokens", "50"});
  CHECK(long_prompt.exit_code == 1);
  CHECK(Contains(long_prompt.err, "holds 47"));
}

TEST_CASE("the seed alone decides the text, and threads do not") {
  const TemporaryDirectory folder;
  for (const Dtype format : {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4}) {
    const std::string model = WriteLetterModel(folder.path(), format);
    const auto text = [&](const std::string& seed, const std::string& threads) {
      return RunProgram({"generate", model, "--prompt", "A", "--tokens", "40", "--temperature", "1",
                         "--top-k", "40", "--min-p", "0.01", "--seed", seed, "--threads", threads})
          .out;
    };
    CHECK(text("1", "1") == text("1", "3"));
    CHECK(text("1", "1") != text("2", "1"));
  }
}

TEST_CASE("without a begin token the prompt's first token starts the text") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32, false);
  const Finished empty = RunProgram({"generate", model, "--prompt", ""});
  CHECK(empty.exit_code == 1);
  CHECK(Contains(empty.err, "no begin token"));
  CHECK(Contains(empty.err, "prompt"));
  const Finished one =
      RunProgram({"generate", model, "--prompt", "a", "--tokens", "2", "--temperature", "0"});
  CHECK(one.exit_code == 0);
  CHECK(one.out.size() >= 3);
}

TEST_CASE("a prompt that the vocabulary lacks, and odd prompts") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const Finished digit = RunProgram({"generate", model, "--prompt", "ab7"});
  CHECK(digit.exit_code == 1);
  CHECK(Contains(digit.err, "7"));
  CHECK(digit.out.empty());
  CHECK(RunProgram({"generate", model, "--prompt", "ä", "--tokens", "1"}).out == "ä\n");
  CHECK(RunProgram({"generate", model, "--prompt", " a,b ", "--tokens", "5"}).out == " a,b \n");
}

TEST_CASE("a state that was saved goes on as the text would have") {
  const TemporaryDirectory folder;
  const std::string state = folder.path() + "/dog.state", model = WriteLetterModel(folder.path(), Dtype::kI8);
  for (const std::string kv : {"f32", "int8"}) {
    CAPTURE(kv);
    const auto generate = [&](std::vector<std::string> more, const std::string& tokens = "30") {
      more.insert(more.begin(), {"generate", model, "--kv", kv, "--temperature", "1", "--tokens", tokens});
      return RunProgram(more);
    };
    const std::string whole = generate({"--prompt", "The dog"}).out;
    const Finished saved = generate({"--prompt", "The dog", "--save-state", state});
    CHECK(saved.exit_code == 0);
    CHECK(saved.out.empty());
    CHECK(Contains(saved.err, "bytes"));
    const Finished rest = generate({"--state", state, "--threads", "2"}, "23");
    CHECK(rest.out == whole.substr(7));
    CHECK(Contains(rest.err, "8 tokens in the state, 0 prompt tokens"));
    // A state after a state is that of both prompts.
    CHECK(generate({"--prompt", "The", "--save-state", state}).exit_code == 0);
    CHECK(generate({"--state", state, "--prompt", " dog", "--save-state", state}).exit_code == 0);
    CHECK(generate({"--state", state}, "23").out == whole.substr(7));
    CHECK(generate({"--state", state, "--prompt", " ran"}, "4").out == " ran\n");
    const Finished full = generate({"--state", state, "--prompt", std::string(41, 'a')}, "100");
    CHECK(full.exit_code == 1);
    CHECK(Contains(full.err, "holds 40 more"));
  }
}

TEST_CASE("a state of another model, another cache, a damaged one, none") {
  const TemporaryDirectory folder;
  const std::string state = folder.path() + "/a.state", model = WriteLetterModel(folder.path(), Dtype::kI8);
  REQUIRE(RunProgram({"generate", model, "--prompt", "abc", "--save-state", state}).exit_code == 0);
  const auto error = [&](const std::vector<std::string>& more, const std::string& with = "") {
    std::vector<std::string> arguments = {"generate", with.empty() ? model : with, "--state", state};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = RunProgram(arguments);
    CHECK(finished.exit_code == 1);
    CHECK(finished.out.empty());
    return finished.err;
  };
  CHECK(Contains(error({"--kv", "int8"}), "CLLM_STATE_KV_FORMAT"));
  // This model's heads have 6 numbers.
  const std::string lattice = error({"--kv", "lattice4"});
  CHECK(Contains(lattice, "CLLM_LIMIT_KV_HEAD_SIZE"));
  CHECK(Contains(lattice, "--kv int8"));
  CHECK(Contains(error({"--save-state", folder.path()}), "folder"));
  const std::string bytes = ReadBytes(state);
  CHECK(Contains(error({}, WriteLetterModel(folder.path(), Dtype::kI4)), "CLLM_STATE_MODEL"));
  WriteBytes(state, bytes.substr(0, 200));
  CHECK(Contains(error({}), "CLLM_STATE_TRUNCATED"));
  std::filesystem::remove(state);
  CHECK(Contains(error({}), state));
}

TEST_CASE("a full disk is an error") {
  if (!std::filesystem::exists("/dev/full")) {
    std::printf("skipped: no /dev/full here\n");
    return;
  }
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"generate", model, "--prompt", "abc"}, {"digest", model}, {"inspect", model}}) {
    CAPTURE(arguments[0]);
    const Finished finished = RunProgram(arguments, "/dev/full");
    CHECK(finished.exit_code == 1);
    CHECK(Contains(finished.err, "stdout"));
  }
}

TEST_CASE("stories260K writes the recorded texts, byte for byte") {
  const std::string data = SharedPath("data/stories260K");
  if (data.empty()) return;
  const TemporaryDirectory folder;
  const std::string model = folder.path() + "/s.cllm";
  REQUIRE(RunProgram({"import", data + "/stories260K.bin", "--tokenizer", data + "/tok512.bin", "-o", model})
              .exit_code == 0);
  for (const std::string number : {"1", "2", "3"}) {
    const std::string recorded = data + "/greedy_" + number;
    const std::string prompt = nlohmann::json::parse(ReadBytes(recorded + ".json"))["prompt"];
    CAPTURE(prompt);
    const Finished finished =
        RunProgram({"generate", model, "--prompt", prompt, "--tokens", "200", "--temperature", "0"});
    CHECK(finished.exit_code == 0);
    CHECK(finished.out == ReadBytes(recorded + ".txt"));
  }
}

}  // namespace
}  // namespace cllm::testing
