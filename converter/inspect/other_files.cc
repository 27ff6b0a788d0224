#include "converter/inspect/other_files.h"

#include <cstring>
#include <filesystem>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/checkpoint/checkpoint.h"
#include "converter/checkpoint/variant.h"
#include "converter/export/sha256.h"
#include "converter/export/weight_formats.h"
#include "converter/import/gguf.h"
#include "converter/import/hugging_face.h"
#include "converter/import/llama2c.h"
#include "converter/import/mapped_file.h"
#include "converter/import/safetensors.h"
#include "converter/tokenizer/tokenizer_file.h"
#include "converter/train/training_state.h"
#include "schemas/delta_generated.h"
#include "update/patch.h"

namespace cllm {
namespace {

absl::Status Wrong(const std::string& path, uint64_t byte, const std::string& field,
                   const std::string& expected, const std::string& found) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s, byte %u: %s should be %s and is %s", path, byte, field, expected, found));
}

template <class T>
T At(std::string_view bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

std::string DigestText(std::string_view bytes, size_t offset) {
  Sha256Digest digest;
  std::memcpy(digest.data(), bytes.data() + offset, digest.size());
  return Hexadecimal(digest);
}

absl::StatusOr<std::string> DescribeSource(const std::string& kind, const std::string& path,
                                           absl::StatusOr<Checkpoint> checkpoint) {
  if (!checkpoint.ok()) return checkpoint.status();
  if (absl::Status status = CheckCheckpoint(*checkpoint); !status.ok())
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  const Architecture& a = checkpoint->architecture;
  uint64_t parameters = 0;
  for (const auto& [key, tensor] : checkpoint->tensors) {
    // One at a time, for what is in it.
    if (const auto loaded = LoadTensor(key, tensor); !loaded.ok()) return loaded.status();
    parameters += uint64_t{tensor.rows} * tensor.columns;
  }
  std::string text = absl::StrFormat(
      "  kind          %s; 'cllm import' takes it\n  parameters    %u in %u tensors\n"
      "  architecture  %u layers, %u wide, %u heads of %u (%u for keys and values), hidden %u\n"
      "                %s, %s, %s head\n",
      kind, parameters, checkpoint->tensors.size(), a.layers, a.width, a.heads, a.head_size, a.kv_heads,
      a.hidden, NormWords(a.variant.norm), FeedForwardWords(a.variant), a.tied_head ? "tied" : "untied");
  if (const std::string words = SwitchWords(a.variant); !words.empty()) {
    absl::StrAppend(&text, "                ", words, "\n");
  }
  absl::StrAppendFormat(&text, "  context       %u tokens\n  tokenizer     %s, %u tokens\n", a.context,
                        TokenizerKindName(checkpoint->tokenizer.kind), a.vocabulary_size);
  if (!checkpoint->without_tokenizer.empty()) {
    absl::StrAppend(&text, "                ", checkpoint->without_tokenizer, "\n");
  }
  if (checkpoint->tokenizer.kind == TokenizerKind::kNone) {
    absl::StrAppend(&text,
                    "                the model can run token ids but no text; 'cllm import --tokenizer "
                    "OTHER.cllm' gives it another's\n");
  }
  return text;
}

absl::StatusOr<std::string> DescribeDelta(std::string_view bytes, const std::string& path) {
  const uint64_t head_bytes = uint64_t{At<uint32_t>(bytes, 0)} + sizeof(uint32_t);
  if (head_bytes > bytes.size()) {
    return Wrong(path, 0, "the head's length", absl::StrCat("at most ", bytes.size() - 4),
                 absl::StrCat(head_bytes - 4));
  }
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(bytes.data()), head_bytes);
  if (!schema::VerifySizePrefixedDeltaBuffer(verifier)) {
    return Wrong(path, 4, "the head", "a FlatBuffer of schemas/delta.fbs", "none: it was damaged");
  }
  const schema::Delta& delta = *schema::GetSizePrefixedDelta(bytes.data());
  if (delta.file_bytes() != bytes.size()) {
    return Wrong(path, 4, "file_bytes", absl::StrCat(bytes.size(), ", the file's size"),
                 absl::StrCat(delta.file_bytes()));
  }
  Sha256Digest base;
  std::memcpy(base.data(), delta.base()->sha256()->data(), base.size());
  std::string text = absl::StrFormat(
      "  kind          delta of fine-tuning, format %u.%u\n  base          %s\n  entries       %u\n",
      delta.format_major(), delta.format_minor(), Hexadecimal(base), delta.entries()->size());
  for (uint32_t i = 0; i < delta.entries()->size(); ++i) {
    const schema::DeltaEntry& entry = *delta.entries()->Get(i);
    if (entry.offset() % 64 != 0 || entry.offset() > bytes.size() ||
        entry.bytes() > bytes.size() - entry.offset()) {
      return Wrong(path, entry.offset(), absl::StrCat("the segment of entry ", i),
                   "a multiple of 64 inside the file",
                   absl::StrCat(entry.bytes(), " bytes from ", entry.offset(), " on"));
    }
    absl::StrAppendFormat(
        &text, "    %-26s %s, %u bytes\n", TensorName({static_cast<Role>(entry.role()), entry.layer()}),
        entry.kind() == 0 ? absl::StrCat("adapter of rank ", entry.rank()) : "replacement", entry.bytes());
  }
  return text;
}

absl::StatusOr<std::string> DescribeState(std::string_view bytes, const std::string& path) {
  constexpr size_t kHead = 128;
  if (bytes.size() < kHead + sizeof(Sha256Digest)) {
    return Wrong(path, 0, "the state", "of at least 160 bytes", absl::StrCat(bytes.size()));
  }
  if (At<uint64_t>(bytes, 8) != bytes.size()) {
    return Wrong(path, 8, "the number of bytes", absl::StrCat(bytes.size(), ", the file's size"),
                 absl::StrCat(At<uint64_t>(bytes, 8)));
  }
  const size_t covered = bytes.size() - sizeof(Sha256Digest);
  const std::string expected = Hexadecimal(Sha256(bytes.substr(0, covered)));
  if (expected != DigestText(bytes, covered)) {
    return Wrong(path, covered, "the digest of all bytes before", expected, DigestText(bytes, covered));
  }
  return absl::StrFormat(
      "  kind          saved state of a session, format %u.%u\n  tokens        %u\n  cache         %s, %u "
      "layers, %u "
      "heads of %u\n  model         content digest %s%s\n",
      At<uint16_t>(bytes, 4), At<uint16_t>(bytes, 6), At<uint32_t>(bytes, 20),
      KvName(At<uint32_t>(bytes, 16)), At<uint32_t>(bytes, 24), At<uint32_t>(bytes, 28),
      At<uint32_t>(bytes, 32), DigestText(bytes, 40), At<uint64_t>(bytes, 104) != 0 ? ", with a delta" : "");
}

absl::StatusOr<std::string> DescribePatch(std::string_view bytes, const std::string& path) {
  if (bytes.size() < sizeof(PatchHead)) {
    return Wrong(path, 0, "the patch", absl::StrCat("of at least ", sizeof(PatchHead), " bytes"),
                 absl::StrCat(bytes.size()));
  }
  const auto head = At<PatchHead>(bytes, 0);
  if (head.major != kPatchMajor) {
    return Wrong(path, 4, "the major version", absl::StrCat(kPatchMajor), absl::StrCat(head.major));
  }
  if (head.patch_bytes != bytes.size()) {
    return Wrong(path, 8, "the number of bytes", absl::StrCat(bytes.size(), ", the file's size"),
                 absl::StrCat(head.patch_bytes));
  }
  std::string text = absl::StrFormat("  kind          patch, format %u.%u\n", head.major, head.minor);
  if (head.old_bytes > 0) {
    absl::StrAppendFormat(&text, "  from          %u bytes, SHA-256 %s\n", head.old_bytes,
                          DigestText(bytes, 32));
  }
  absl::StrAppendFormat(&text, "  to            %u bytes, SHA-256 %s\n", head.new_bytes,
                        DigestText(bytes, 64));
  return text;
}

absl::StatusOr<std::string> DescribeTrainingState(std::string_view bytes, const std::string& path) {
  const absl::StatusOr<TrainingState> state = StateFromBytes(bytes);
  if (!state.ok())
    return absl::Status(state.status().code(), absl::StrCat(path, ": ", state.status().message()));
  return absl::StrFormat(
      "  kind          checkpoint of a training run\n  steps         %u in %.1f s\n  weights       %u "
      "numbers\n"
      "  best          %s\n  run           %s\n",
      state->step, state->seconds, state->weights.size(),
      state->best_step > 0
          ? absl::StrFormat("%.4f nats a token after step %u", state->best_loss, state->best_step)
          : std::string("no evaluation yet"),
      state->run);
}

absl::StatusOr<std::string> DescribeSafetensors(std::string_view bytes, const std::string& path) {
  const auto tensors = ParseSafetensors(bytes, path);
  if (!tensors.ok()) return tensors.status();
  return absl::StrFormat("  kind          safetensors, %u tensors; give its folder to see the model\n",
                         tensors->size());
}

}  // namespace

bool BeginsLikeModel(const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a file");
  return file.ok() && file->bytes().size() >= 12 && file->bytes().substr(8, 4) == "CLLM";
}

absl::StatusOr<std::string> DescribeOtherFile(const std::string& path) {
  if (std::filesystem::is_directory(path))
    return DescribeSource("Hugging Face folder", path, StreamHuggingFace(path));
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a model, or a file that cllm reads");
  if (!file.ok()) return file.status();
  const std::string_view bytes = file->bytes();
  if (bytes.size() >= 12 && bytes.substr(8, 4) == "CLMD") return DescribeDelta(bytes, path);
  const std::string_view start = bytes.substr(0, 4);
  if (start == "CLMS") return DescribeState(bytes, path);
  if (start == kPatchIdentifier) return DescribePatch(bytes, path);
  if (start == "GGUF") return DescribeSource("GGUF file of llama.cpp", path, StreamGguf(path));
  if (bytes.substr(0, 8) == "CLLMRUN1") return DescribeTrainingState(bytes, path);
  const std::string ending = std::filesystem::path(path).extension().string();
  if (ending == ".safetensors") return DescribeSafetensors(bytes, path);
  if (ending == ".bin") return DescribeSource("checkpoint of llama2.c", path, StreamLlama2c(path, ""));
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: byte 0: the beginning is that of no file that cllm reads: .cllm has \"CLLM\" and "
                      "a delta \"CLMD\" at byte 8; "
                      "a state begins with \"CLMS\", a patch with \"CLMP\", a GGUF file with \"GGUF\"; "
                      "others are known by their "
                      "endings .safetensors and .bin, or are folders with config.json",
                      path));
}

}  // namespace cllm
