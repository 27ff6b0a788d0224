#include "fuzz/import_fuzzer.h"

#include <filesystem>

#include "converter/export/gguf.h"
#include "converter/export/hugging_face.h"
#include "converter/import/gguf.h"
#include "converter/import/hugging_face.h"
#include "fuzz/open_fuzzer.h"
#include "fuzz/small_session.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

const char* FileOf(Importer importer) {
  switch (importer) {
    case Importer::kGguf: return "model.gguf";
    case Importer::kSafetensors: return "model.safetensors";
    case Importer::kTokenizerJson: return "tokenizer.json";
    case Importer::kConfigJson: return "config.json";
  }
  return "";
}

// A Hugging Face folder of the small model and its GGUF file.
struct Sources {
  Sources() {
    const Checkpoint checkpoint = SmallCheckpoint();
    Require(ExportHuggingFace(checkpoint, Dtype::kF32, folder.path() + "/hf").ok(), "a folder is written");
    Require(ExportGguf(checkpoint, Dtype::kF32, folder.path() + "/model.gguf").ok(),
            "a GGUF file is written");
    for (const Importer importer : kImporters) {
      good[static_cast<size_t>(importer)] =
          ReadBytes(folder.path() + (importer == Importer::kGguf ? "/" : "/hf/") + FileOf(importer));
    }
  }
  // Left behind by a fuzzer, which ends by a signal or _exit.
  static Sources& Get() {
    static auto* const sources = new Sources();
    return *sources;
  }
  TemporaryDirectory folder;
  std::string good[std::size(kImporters)];
};

absl::StatusOr<Checkpoint> Import(Importer importer, const std::string& bytes) {
  if (importer == Importer::kGguf) return ImportGgufBytes(bytes, "fuzz.gguf");
  Sources& sources = Sources::Get();
  const std::string path = sources.folder.path() + "/hf/" + FileOf(importer);
  WriteBytes(path, bytes);
  absl::StatusOr<Checkpoint> checkpoint = ImportHuggingFace(sources.folder.path() + "/hf");
  WriteBytes(path, GoodImport(importer));
  return checkpoint;
}

}  // namespace

const std::string& GoodImport(Importer importer) {
  return Sources::Get().good[static_cast<size_t>(importer)];
}

absl::Status ImportAndRun(Importer importer, const uint8_t* data, size_t size) {
  absl::StatusOr<Checkpoint> checkpoint =
      Import(importer, std::string(reinterpret_cast<const char*>(data), size));
  if (!checkpoint.ok()) {
    Require(!checkpoint.status().message().empty(), "a refusal has words");
    return checkpoint.status();
  }
  const absl::StatusOr<std::string> file = WriteModelToString(*checkpoint, Dtype::kI8);
  if (!file.ok()) return file.status();
  const Status status = OpenAndRun(reinterpret_cast<const uint8_t*>(file->data()), file->size());
  Require(status == CLLM_OK, "what is imported opens");
  return absl::OkStatus();
}

}  // namespace cllm::testing
