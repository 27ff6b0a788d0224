#include "fuzz/import_fuzzer.h"

#include <cstring>
#include <filesystem>

#include "converter/export/gguf.h"
#include "converter/export/hugging_face.h"
#include "converter/import/gguf.h"
#include "converter/import/hugging_face.h"
#include "converter/import/llama2c.h"
#include "converter/tokenizer/sentencepiece.h"
#include "fuzz/open_fuzzer.h"
#include "fuzz/small_session.h"
#include "support/file_tools.h"
#include "support/sentencepiece_file.h"

namespace cllm::testing {
namespace {

// Its file; that of a folder begins with the folder's name.
const char* NameOf(Importer importer) {
  switch (importer) {
    case Importer::kGguf: return "model.gguf";
    case Importer::kSafetensors: return "hf/model.safetensors";
    case Importer::kTokenizerJson: return "hf/tokenizer.json";
    case Importer::kConfigJson: return "hf/config.json";
    case Importer::kTokenizerModel: return "pieces/tokenizer.model";
    case Importer::kLlama2c: return "llama2c.bin";
    case Importer::kLlama2cTokenizer: return "tokenizer.bin";
  }
  return "";
}

std::string GoodTokenizerModel() {
  std::string model = StoredPiece("<unk>", 0, 2) + StoredPiece("<s>", 0, 3) + StoredPiece("</s>", 0, 3);
  for (uint32_t byte = 0; byte < 256; ++byte) model += StoredPiece(BytePiece(byte), 0, 6);
  model += StoredPiece("<turn>", 0, 4);
  for (const char* piece : {"ab", "\u2581ab", "a", "b", "\u2581"}) model += StoredPiece(piece, -1, 1);
  return model + StoredText(2, StoredNumber(3, 2)) +
         StoredText(3, StoredText(1, "identity") + StoredNumber(4, 0));
}

// Width 8, hidden 12, 1 layer of 2 heads and 1 for keys and values, 262 tokens, context 4; tied.
std::string GoodLlama2c() {
  const int32_t header[] = {8, 12, 1, 2, 1, 262, 4};
  constexpr size_t kFloats = 262 * 8 + 8 + 8 * 8 + 2 * 4 * 8 + 8 * 8 + 8 + 3 * 8 * 12 + 8 + 4 * 4;
  std::string file(reinterpret_cast<const char*>(header), sizeof(header));
  for (size_t i = 0; i < kFloats; ++i) {
    const float value = static_cast<float>(i % 13) / 16 - 0.4f;
    file.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  return file;
}

std::string GoodLlama2cTokenizer() {
  std::string file(4, '\x08');
  const auto add = [&file](const std::string& piece) {
    const int32_t words[] = {0, static_cast<int32_t>(piece.size())};
    file.append(reinterpret_cast<const char*>(words), sizeof(words)) += piece;
  };
  for (const char* special : {"<unk>", "<s>", "</s>"}) add(special);
  for (uint32_t byte = 0; byte < 256; ++byte) add(BytePiece(byte));
  for (const char* piece : {"a", "b", "ab"}) add(piece);
  return file;
}

// A source of each kind: a Hugging Face folder of the small model, one with SentencePiece's tokenizer, a GGUF
// file, a checkpoint of llama2.c.
struct Sources {
  Sources() {
    for (const TokenizerKind kind : {TokenizerKind::kByteBpe, TokenizerKind::kScoredMerges}) {
      const Checkpoint checkpoint = SmallCheckpoint(kind);
      const std::string path = folder.path() + "/hf";
      std::filesystem::remove_all(path);
      Require(ExportHuggingFace(checkpoint, Dtype::kF32, path).ok(), "a folder is written");
      Keep(Importer::kTokenizerJson);
      const Dtype format = kind == TokenizerKind::kByteBpe ? Dtype::kBf16 : Dtype::kF32;
      Require(ExportGguf(checkpoint, format, folder.path() + "/model.gguf").ok(), "a GGUF file is written");
      Keep(Importer::kGguf);
    }
    Keep(Importer::kSafetensors);
    Keep(Importer::kConfigJson);
    std::filesystem::copy(folder.path() + "/hf", folder.path() + "/pieces");
    std::filesystem::remove(folder.path() + "/pieces/tokenizer.json");
    Add(Importer::kTokenizerModel, GoodTokenizerModel());
    Add(Importer::kLlama2c, GoodLlama2c());
    Add(Importer::kLlama2cTokenizer, GoodLlama2cTokenizer());
  }
  // Left behind by a fuzzer, which ends by a signal or _exit.
  static Sources& Get() {
    static auto* const sources = new Sources();
    return *sources;
  }
  std::string PathOf(Importer importer) const { return folder.path() + "/" + testing::NameOf(importer); }
  std::vector<std::string>& Good(Importer importer) { return good_[static_cast<size_t>(importer)]; }
  TemporaryDirectory folder;

 private:
  void Keep(Importer importer) { Good(importer).push_back(ReadBytes(PathOf(importer))); }
  void Add(Importer importer, const std::string& bytes) {
    Good(importer).push_back(bytes);
    WriteBytes(PathOf(importer), bytes);
  }
  std::vector<std::string> good_[std::size(kImporters)];
};

absl::StatusOr<Checkpoint> Import(Importer importer, const std::string& bytes) {
  if (importer == Importer::kGguf) return ImportGgufBytes(bytes, "fuzz.gguf");
  Sources& sources = Sources::Get();
  const std::string path = sources.PathOf(importer);
  WriteBytes(path, bytes);
  absl::StatusOr<Checkpoint> checkpoint =
      importer == Importer::kLlama2c ? ImportLlama2c(path, "")
      : importer == Importer::kLlama2cTokenizer
          ? ImportLlama2c(sources.PathOf(Importer::kLlama2c), path)
          : ImportHuggingFace(std::filesystem::path(path).parent_path().string());
  WriteBytes(path, GoodImports(importer).back());
  return checkpoint;
}

}  // namespace

const std::vector<std::string>& GoodImports(Importer importer) { return Sources::Get().Good(importer); }

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
