#include <doctest/doctest.h>

#include <csignal>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

struct Files {
  Files() : model(WriteLetterModel(folder.path(), Dtype::kI8)), text(Path("text")), delta(Path("out.delta")) {
    WriteBytes(text, "the dog sat?the cat ate\nthe cat sat?the dog ate\n");
  }
  std::string Path(const std::string& name) const { return folder.path() + "/" + name; }
  Finished Tune(std::vector<std::string> more) const {
    std::vector<std::string> arguments = {"finetune", model,  "--data",  text,      "--documents", "lines",
                                          "--after",  "?",    "--rank",  "4",       "--batch",     "2",
                                          "--rate",   "0.02", "--adapt", "qkv,down"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  }
  TemporaryDirectory folder;
  std::string model, text, delta;
};

std::string Continue(const std::string& model, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"generate",      model, "--prompt", "the dog sat?",
                                        "--temperature", "0",   "--tokens", "23"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Finished finished = RunProgram(arguments);
  CAPTURE(finished.err);
  CHECK(finished.exit_code == 0);
  return finished.out;
}

TEST_CASE("finetune teaches, --delta answers, merge keeps what was learned") {
  const Files files;
  const Finished tuned = files.Tune({"--steps", "60", "-o", files.delta});
  CAPTURE(tuned.err);
  REQUIRE(tuned.exit_code == 0);
  CHECK(tuned.out.empty());
  CHECK(Contains(tuned.err, "2 sequences of up to 24 tokens, 24 tokens to learn"));
  const std::string learned = "the dog sat?the cat ate\n";
  CHECK(Continue(files.model, {}) != learned);
  CHECK(Continue(files.model, {"--delta", files.delta}) == learned);
  for (const char* format : {"f32", "same", "int8"}) {
    const std::string merged = files.Path(std::string(format) + ".cllm");
    const Finished merge = RunProgram({"merge", files.model, files.delta, "--format", format, "-o", merged});
    CAPTURE(merge.err);
    REQUIRE(merge.exit_code == 0);
    CHECK(Continue(merged, {}) == learned);
  }
  CHECK(ReadBytes(files.Path("same.cllm")) == ReadBytes(files.Path("int8.cllm")));
  // A smaller room and more threads give the same bytes, and tuning goes on from a delta.
  const Finished small =
      files.Tune({"--steps", "60", "-o", files.Path("small"), "--room", "88", "--threads", "3"});
  CAPTURE(small.err);
  REQUIRE(small.exit_code == 0);
  CHECK(Contains(small.err, "layers computed again"));
  CHECK(ReadBytes(files.Path("small")) == ReadBytes(files.delta));
  const Finished more = files.Tune({"--steps", "2", "-o", files.Path("more"), "--delta", files.delta});
  CAPTURE(more.err);
  CHECK(more.exit_code == 0);
  CHECK(RunProgram({"eval", files.model, "--delta", files.delta, "--data", files.text}).exit_code == 0);
  CHECK(RunProgram({"digest", files.model}).out !=
        RunProgram({"digest", files.model, "--delta", files.delta}).out);
}

TEST_CASE("finetune resumes to the bit") {
  const Files files;
  REQUIRE(files.Tune({"--steps", "40", "-o", files.delta}).exit_code == 0);
  const std::string state = files.Path("state");
  const Finished all =
      files.Tune({"--steps", "40", "--state", state, "--every", "16", "-o", files.Path("a")});
  REQUIRE(all.exit_code == 0);
  CHECK(ReadBytes(files.Path("a")) == ReadBytes(files.delta));
  // The last state kept is that of step 32.
  const Finished rest = files.Tune({"--steps", "40", "--state", state, "--resume", "-o", files.Path("b")});
  CAPTURE(rest.err);
  REQUIRE(rest.exit_code == 0);
  CHECK(ReadBytes(files.Path("b")) == ReadBytes(files.delta));
  const Finished other = files.Tune({"--steps", "41", "--state", state, "--resume", "-o", files.Path("c")});
  CHECK(other.exit_code == 1);
  CHECK(Contains(other.err, "other options"));
}

TEST_CASE("mistakes with deltas are told") {
  const Files files;
  REQUIRE(files.Tune({"--steps", "1", "-o", files.delta}).exit_code == 0);
  const std::string other = WriteLetterModel(files.folder.path(), Dtype::kF32, false);
  const auto error = [&](const std::vector<std::string>& arguments, int code) {
    const Finished finished = RunProgram(arguments);
    CHECK(finished.exit_code == code);
    return finished.err;
  };
  CHECK(Contains(error({"generate", other, "--delta", files.delta}, 1), "CLLM_DELTA_BASE"));
  CHECK(Contains(error({"generate", files.model, "--delta", files.text}, 1), "CLLM_DELTA_NOT_DELTA"));
  CHECK(Contains(error({"merge", files.model, files.Path("none"), "-o", files.Path("x")}, 1), "none"));
  CHECK(Contains(files.Tune({"--room", "1", "-o", files.Path("x")}).err, "CLLM_ROOM_TOO_SMALL"));
  CHECK(Contains(
      error({"finetune", files.model, "--data", files.text, "--adapt", "none", "-o", files.Path("x")}, 1),
      "CLLM_LIMIT_TUNING"));
  CHECK(files.Tune({"--resume", "-o", files.Path("x")}).exit_code == 2);
  CHECK(files.Tune({"--train", "everything", "-o", files.Path("x")}).exit_code == 2);
}

}  // namespace
}  // namespace cllm::testing
