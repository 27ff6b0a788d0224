#include <doctest/doctest.h>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

TEST_CASE("export and import again give the same digest") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  const std::string gguf = folder.path() + "/letters.gguf", again = folder.path() + "/again.cllm";
  const Finished exported = RunProgram({"export", model, "--to", "gguf", "-o", gguf});
  CHECK(exported.exit_code == 0);
  CHECK(exported.out.empty());
  CHECK(Contains(exported.err, "float32"));
  CHECK(RunProgram({"import", gguf, "-o", again}).exit_code == 0);
  const Finished before = RunProgram({"digest", model, "--tokens", "16"});
  const Finished after = RunProgram({"digest", again, "--tokens", "16"});
  CHECK(before.exit_code == 0);
  CHECK(before.out == after.out);
}

TEST_CASE("export takes a file or a shape, and writes nothing where it fails") {
  const TemporaryDirectory folder;
  const std::string out = folder.path() + "/out.gguf";
  CHECK(RunProgram({"export", "--shape", "82k", "--to", "gguf", "-o", out}).exit_code == 0);
  CHECK(Listing(folder.path()) == "out.gguf ");
  std::filesystem::remove(out);
  Finished finished = RunProgram({"export", "--to", "gguf", "-o", out});
  CHECK(finished.exit_code == 2);
  CHECK(Contains(finished.err, "--shape"));
  finished = RunProgram({"export", folder.path() + "/none.cllm", "--to", "gguf", "-o", out});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "none.cllm"));
  WriteBytes(out, "GGUF, but no more");
  finished = RunProgram({"import", out, "-o", folder.path() + "/in.cllm"});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "out.gguf, byte"));
  finished = RunProgram({"import", out, "--tokenizer", out, "-o", folder.path() + "/in.cllm"});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "--tokenizer"));
  CHECK(Listing(folder.path()) == "out.gguf ");
}

TEST_CASE("export to a folder of transformers, which import takes back; a folder with files stays") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kBf16);
  const std::string out = folder.path() + "/letters/", again = folder.path() + "/again.cllm";
  const Finished exported = RunProgram({"export", model, "--to", "hf", "-o", out});
  CHECK_MESSAGE(exported.exit_code == 0, exported.err);
  CHECK(Contains(exported.err, "bfloat16, model_type llama"));
  CHECK(Listing(out) ==
        "config.json generation_config.json model.safetensors tokenizer.json tokenizer_config.json ");
  CHECK(RunProgram({"import", out, "-o", again}).exit_code == 0);
  const Finished refused = RunProgram({"export", model, "--to", "hf", "-o", out});
  CHECK(refused.exit_code == 1);
  CHECK(Contains(refused.err, "files in it"));
  CHECK(Listing(folder.path()) == "again.cllm letters letters16.cllm ");
}

TEST_CASE("a bfloat16 model becomes a GGUF file of bfloat16, with the same bits") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kBf16);
  const std::string gguf = folder.path() + "/letters.gguf", again = folder.path() + "/again.cllm";
  const Finished exported = RunProgram({"export", model, "--to", "gguf", "-o", gguf});
  CHECK(exported.exit_code == 0);
  CHECK(Contains(exported.err, "bfloat16"));
  CHECK(RunProgram({"import", gguf, "-o", again}).exit_code == 0);
  CHECK(RunProgram({"digest", model, "--tokens", "16"}).out ==
        RunProgram({"digest", again, "--tokens", "16"}).out);
}

TEST_CASE("export as source text writes a header beside it, and names that C has") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8);
  const auto exported = [&](const char* format, const std::string& name) {
    return RunProgram({"export", model, "--to", format, "-o", folder.path() + "/" + name});
  };
  CHECK(exported("c", "letters_c.c").exit_code == 0);
  CHECK(exported("asm", "letters_asm.S").exit_code == 0);
  CHECK(Listing(folder.path()) ==
        "letters8.cllm letters_asm.S letters_asm.cllm letters_asm.h letters_c.c letters_c.h ");
  CHECK(ReadBytes(folder.path() + "/letters_asm.cllm") == ReadBytes(model));
  CHECK(exported("asm", "letters8.S").exit_code == 0);  // the model lies there already
  CHECK(Contains(exported("c", "letters.h").err, ".c"));
  CHECK(Contains(exported("c", "8letters.c").err, "8letters"));
  CHECK(exported("c", "a-b.c").exit_code == 1);
  CHECK(RunProgram({"export", "--shape", "82k", "--to", "c", "-o", folder.path() + "/m.c"}).exit_code == 2);
}

TEST_CASE("export to ONNX and TorchScript: one file each, or two where weights lie apart") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8), out = folder.path() + "/letters";
  CHECK(RunProgram({"export", model, "--to", "torchscript", "-o", out + ".pt"}).exit_code == 0);
  CHECK(RunProgram({"export", model, "--to", "torchscript", "--with-past", "-o", out}).exit_code == 2);
  const Finished onnx = RunProgram({"export", model, "--to", "onnx", "--external-data", "-o", out + ".onnx"});
#ifdef CLLM_HAS_PROTOBUF
  CHECK(onnx.exit_code == 0);
  CHECK(Contains(onnx.err, "weights lie in"));
  CHECK(Listing(folder.path()) == "letters.onnx letters.onnx.data letters.pt letters8.cllm ");
#else
  CHECK(Contains(onnx.err, "protobuf"));
#endif
}

}  // namespace
}  // namespace cllm::testing
