// `cllm inspect` of every other file that cllm reads, and what it says of broken ones.
#include <doctest/doctest.h>

#include <cstring>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

struct Files {
  Files() : model(WriteLetterModel(folder.path(), Dtype::kF32)) {}
  // The words that inspect must say; exit code 0.
  void Says(const std::string& path, const std::vector<std::string>& words) {
    const Finished finished = RunProgram({"inspect", path});
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 0);
    for (const std::string& word : words) {
      CAPTURE(word);
      CHECK(Contains(finished.out, word));
    }
  }
  void Refuses(const std::string& bytes, const std::vector<std::string>& words) {
    const std::string path = folder.path() + "/broken";
    WriteBytes(path, bytes);
    const Finished finished = RunProgram({"inspect", path});
    CHECK(finished.exit_code == 1);
    for (const std::string& word : words) {
      CAPTURE(word);
      CAPTURE(finished.err);
      CHECK(Contains(finished.err, word));
    }
  }
  TemporaryDirectory folder;
  std::string model;
};

TEST_CASE("a Hugging Face folder, its safetensors, a GGUF file") {
  Files files;
  const std::string hf = files.folder.path() + "/hf", gguf = files.folder.path() + "/m.gguf";
  REQUIRE(RunProgram({"export", files.model, "--to", "hf", "-o", hf}).exit_code == 0);
  REQUIRE(RunProgram({"export", files.model, "--to", "gguf", "-o", gguf}).exit_code == 0);
  files.Says(hf, {"Hugging Face folder", "parameters", "2 layers", "context"});
  files.Says(hf + "/model.safetensors", {"safetensors", "tensors"});
  files.Says(gguf, {"GGUF", "2 layers"});
  files.Refuses(ReadBytes(gguf).substr(0, 3000), {"broken", "byte"});
  std::filesystem::remove(hf + "/config.json");
  CHECK(Contains(RunProgram({"inspect", hf}).err, "config.json"));
}

TEST_CASE("a state, a patch, and what neither is") {
  Files files;
  const std::string state = files.folder.path() + "/s.state", patch = files.folder.path() + "/p.patch";
  REQUIRE(RunProgram({"generate", files.model, "--prompt", "ab", "--tokens", "2", "--save-state", state})
              .exit_code == 0);
  REQUIRE(RunProgram({"diff", "none", files.model, "-o", patch}).exit_code == 0);
  files.Says(state, {"saved state", "tokens", "float32"});
  files.Says(patch, {"patch, format 1.0", "SHA-256"});
  std::string bytes = ReadBytes(state);
  bytes[200] = static_cast<char>(bytes[200] ^ 1);
  files.Refuses(bytes, {"the digest of all bytes before"});
  files.Refuses(ReadBytes(state).substr(0, 400), {"byte 8", "400"});
  files.Refuses(ReadBytes(patch).substr(0, 400), {"byte 8", "400"});
  files.Refuses("nothing of ours, by any name", {"byte 0", "CLLM"});
}

TEST_CASE("a broken model: the byte, the field, what should be there and what is") {
  Files files;
  const std::string good = ReadBytes(files.model);
  files.Refuses(good.substr(0, good.size() - 1), {"file_bytes", "expected " + std::to_string(good.size() - 1),
                                                  "found " + std::to_string(good.size())});
  std::string changed = good;
  changed[3] = '\x7F';
  files.Refuses(changed, {"byte 0, the head's length: expected at most"});
  // The width, wherever it lies in the head, becomes another.
  int named = 0;
  uint32_t prefix;
  std::memcpy(&prefix, good.data(), sizeof(prefix));
  for (size_t at = 16; at + 4 <= prefix && named < 8; at += 4) {
    changed = good;
    changed[at] = static_cast<char>(changed[at] + 1);
    WriteBytes(files.folder.path() + "/broken", changed);
    const Finished finished = RunProgram({"inspect", files.folder.path() + "/broken"});
    if (finished.exit_code == 1 && Contains(finished.err, ": expected ")) ++named;
  }
  CHECK(named == 8);
}

}  // namespace
}  // namespace cllm::testing
