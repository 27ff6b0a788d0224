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

// A file of a good Hugging Face folder becomes `bytes`; inspect and import say why they refuse it.
struct BrokenFolder {
  explicit BrokenFolder(Files& from) : files(from), hf(from.folder.path() + "/hf") {
    REQUIRE(RunProgram({"export", files.model, "--to", "hf", "-o", hf}).exit_code == 0);
  }
  void Says(const std::string& file, const std::string& bytes, const std::vector<std::string>& words) {
    const std::string path = hf + "/" + file, good = ReadBytes(path);
    WriteBytes(path, bytes);
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"inspect", hf}, {"import", hf, "-o", files.folder.path() + "/out.cllm"}}) {
      const Finished finished = RunProgram(command);
      CAPTURE(finished.err);
      CHECK(finished.exit_code == 1);
      for (const std::string& word : words) {
        CAPTURE(word);
        CHECK(Contains(finished.err, word));
      }
    }
    WriteBytes(path, good);
  }
  Files& files;
  std::string hf;
};

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("a broken folder: the file, the byte or the key, what is there, and what helps") {
  Files files;
  BrokenFolder folder(files);
  const std::string config = ReadBytes(folder.hf + "/config.json"),
                    weights = ReadBytes(folder.hf + "/model.safetensors");
  folder.Says("config.json", config.substr(0, 40), {"config.json is no JSON: byte ", "Copy it again"});
  folder.Says("config.json", "[1]", {"config.json, byte 0: expected a JSON object", "found array"});
  folder.Says("config.json", Replaced(config, "\"rms_norm_eps\":", "\"rms_norm_eps\": \"x\", \"was\":"),
              {"config.json: rms_norm_eps is \"x\"", "no number"});
  folder.Says("config.json", Replaced(config, "\"rms_norm_eps\":", "\"rms_norm_eps\": 0, \"was\":"),
              {"config.json: norm_epsilon is 0"});
  folder.Says("model.safetensors", weights.substr(0, weights.size() / 2),
              {"model.safetensors: tensor ", "cut short. Copy it again"});
  folder.Says("model.safetensors", weights.substr(0, 100), {"byte 0: a header of ", "in a file of 100"});
  folder.Says("model.safetensors", Replaced(weights, "{\"", "{x"),
              {"from byte 8 on, is no JSON object: byte 2"});
  folder.Says("model.safetensors", Replaced(weights, "\"shape\":[", "\"shape\":[1"),
              {"data_offsets", "call for"});
  std::string nan = weights;
  nan.replace(nan.size() - 4, 4, std::string("\x00\x00\xC0\x7F", 4));
  folder.Says("model.safetensors", nan,
              {"model.safetensors: tensor model.", "byte " + std::to_string(nan.size() - 4), "nan at row",
               "take another one"});
}

TEST_CASE("a state, a patch, and what neither is") {
  Files files;
  const std::string state = files.folder.path() + "/s.state", patch = files.folder.path() + "/p.patch";
  REQUIRE(RunProgram({"generate", files.model, "--prompt", "ab", "--tokens", "2", "--save-state", state})
              .exit_code == 0);
  REQUIRE(RunProgram({"diff", "none", files.model, "-o", patch}).exit_code == 0);
  files.Says(state, {"saved state", "tokens", " f32"});
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
  changed = good;
  changed[good.size() / 2] = static_cast<char>(changed[good.size() / 2] ^ 1);
  files.Refuses(changed, {"digests in the file do not match its contents, first that of ", ", bytes "});
}

}  // namespace
}  // namespace cllm::testing
