#include <doctest/doctest.h>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

TEST_CASE("import refuses a .cllm file and says what to do with it") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const Finished finished = RunProgram({"import", model, "-o", folder.path() + "/out.cllm"});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "already"));
  CHECK(Listing(folder.path()) == "letters.cllm ");
}

TEST_CASE("import writes nothing where it fails") {
  const std::string data = SharedPath("data/stories260K");
  if (data.empty()) return;
  const TemporaryDirectory folder;
  const std::string checkpoint = data + "/stories260K.bin";
  const auto import_to = [&](const std::string& tokenizer, const std::string& out) {
    return RunProgram({"import", checkpoint, "--tokenizer", tokenizer, "-o", out});
  };
  Finished finished = import_to(folder.path() + "/none.bin", folder.path() + "/out.cllm");
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "none.bin"));
  finished = import_to(checkpoint, folder.path() + "/out.cllm");
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "stories260K.bin"));
  finished = import_to(data + "/tok512.bin", folder.path() + "/no/out.cllm");
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, folder.path() + "/no"));
  finished = import_to(data + "/tok512.bin", folder.path());
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, folder.path()));
  CHECK(Listing(folder.path()).empty());
}

TEST_CASE("import replaces a file in one step and keeps the old one where it fails") {
  const std::string data = SharedPath("data/stories260K");
  if (data.empty()) return;
  const TemporaryDirectory folder;
  const std::string out = folder.path() + "/out.cllm";
  WriteBytes(out, "old");
  CHECK(RunProgram({"import", data + "/tok512.bin", "-o", out}).exit_code == 1);
  CHECK(ReadBytes(out) == "old");
  CHECK(RunProgram({"import", data + "/stories260K.bin", "-o", out}).exit_code == 0);
  CHECK(Listing(folder.path()) == "out.cllm ");
  const Finished no_tokenizer = RunProgram({"generate", out, "--prompt", "Once"});
  CHECK(no_tokenizer.exit_code == 1);
  CHECK(Contains(no_tokenizer.err, "tokenizer"));
  CHECK(RunProgram({"digest", out, "--tokens", "4"}).exit_code == 0);
}

TEST_CASE("import with the tokenizer of a model") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string gguf = folder.path() + "/m.gguf", back = folder.path() + "/back.cllm";
  REQUIRE(RunProgram({"export", model, "--to", "gguf", "-o", gguf}).exit_code == 0);
  REQUIRE(RunProgram({"import", gguf, "--tokenizer", model, "-o", back}).exit_code == 0);
  const std::string text = folder.path() + "/text";
  WriteBytes(text, "The cat sat.");
  CHECK(RunProgram({"eval", back, "--data", text}).out == RunProgram({"eval", model, "--data", text}).out);
  CHECK(RunProgram({"export", "--shape", "82k", "--to", "gguf", "-o", gguf}).exit_code == 0);
  const Finished other = RunProgram({"import", gguf, "--tokenizer", model, "-o", back});
  CHECK(other.exit_code == 1);
  CHECK(Contains(other.err, "192"));
}

}  // namespace
}  // namespace cllm::testing
