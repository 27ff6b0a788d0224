#include "converter/export/source_file.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "converter/export/output_file.h"

namespace cllm {
namespace {

constexpr uint64_t kLineBytes = 24;          // of the model
constexpr uint64_t kChunkBytes = 24 * 4096;  // of the model, that are text at a time

constexpr char kHeader[] =
    R"(/* A model of CLLM, which cllm_model_open takes where it lies: NAME[NAME_bytes]. */
#ifndef GUARD_H_
#define GUARD_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

extern const uint8_t NAME[]; /* at a multiple of 64 */
extern const uint32_t NAME_bytes;

#ifdef __cplusplus
}
#endif

#endif /* GUARD_H_ */
)";

constexpr char kArrayBegin[] =
    "/* `cllm export` wrote this. */\n"
    "#include \"NAME.h\"\n"
    R"(
#if defined(__GNUC__) && defined(__ELF__)
#define NAME_PLACE __attribute__((aligned(64), section(".model")))
#elif defined(__GNUC__)
#define NAME_PLACE __attribute__((aligned(64)))
#else
#error "say how this compiler aligns NAME to 64 bytes"
#endif

const uint32_t NAME_bytes = BYTESu;
const uint8_t NAME[BYTES] NAME_PLACE = {
)";

constexpr char kAssembler[] =
    R"(/* `cllm export` wrote this. Assemble it with -I and the folder of NAME.cllm, or -DNAME_FILE='"PATH"'. */
#ifndef NAME_FILE
#define NAME_FILE "NAME.cllm"
#endif
  .section .model, "a", %progbits
  .balign 64
  .global NAME
NAME:
  .incbin NAME_FILE
NAME_end:
  .balign 4
  .global NAME_bytes
NAME_bytes:
  .long NAME_end - NAME
  .section .note.GNU-stack, "", %progbits
)";

// The text with its words replaced.
std::string Filled(const char* text, const std::string& name, uint64_t bytes) {
  return absl::StrReplaceAll(
      text, {{"NAME", name}, {"GUARD", absl::AsciiStrToUpper(name)}, {"BYTES", absl::StrCat(bytes)}});
}

std::string Beside(const std::string& path, const std::string& name) {
  return (std::filesystem::path(path).parent_path() / name).string();
}

absl::Status CheckSize(const ModelFile& model) {
  if (model.size() <= UINT32_MAX) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(model.path(), " has ", model.size(), " bytes; firmware takes up to 4 GB"));
}

absl::Status WriteHeader(const ModelFile& model, const std::string& path, const std::string& name) {
  return WriteWholeFile(Beside(path, name + ".h"), Filled(kHeader, name, model.size()));
}

// Decimal numbers, kLineBytes on a line.
std::string Numbers(const uint8_t* bytes, uint64_t count) {
  std::string text;
  for (uint64_t i = 0; i < count; ++i)
    absl::StrAppend(&text, bytes[i], (i + 1) % kLineBytes == 0 ? ",\n" : ",");
  return text;
}

}  // namespace

absl::StatusOr<std::string> SourceName(const std::string& path, const std::string& ending) {
  const std::filesystem::path file(path);
  const std::string name = file.stem().string();
  if (file.extension() != ending) {
    return absl::InvalidArgumentError(absl::StrCat(path, " does not end in ", ending, ", as such files do"));
  }
  const bool identifier = !absl::ascii_isdigit(static_cast<unsigned char>(name[0])) &&
                          std::all_of(name.begin(), name.end(),
                                      [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
  if (identifier) return name;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", name,
                   " is to be the name of the bytes, and C has no such names; use letters, digits and _"));
}

absl::Status ExportCArray(const ModelFile& model, const std::string& path) {
  const absl::StatusOr<std::string> name = SourceName(path, ".c");
  if (!name.ok()) return name.status();
  if (absl::Status status = CheckSize(model); !status.ok()) return status;
  if (absl::Status status = WriteHeader(model, path, *name); !status.ok()) return status;
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  std::string text = Filled(kArrayBegin, *name, model.size());
  uint64_t at = 0;
  for (uint64_t begin = 0; begin < model.size(); begin += kChunkBytes) {
    text += Numbers(model.bytes() + begin, std::min(kChunkBytes, model.size() - begin));
    if (absl::Status status = file->WriteAt(at, text); !status.ok()) return status;
    at += text.size();
    text.clear();
  }
  if (absl::Status status = file->WriteAt(at, "};\n"); !status.ok()) return status;
  return file->Commit();
}

absl::Status ExportAssembler(const ModelFile& model, const std::string& path) {
  const absl::StatusOr<std::string> name = SourceName(path, ".S");
  if (!name.ok()) return name.status();
  if (absl::Status status = CheckSize(model); !status.ok()) return status;
  const std::string copy = Beside(path, *name + ".cllm");
  std::error_code error;
  if (!std::filesystem::equivalent(copy, model.path(), error)) {
    const std::string_view bytes(reinterpret_cast<const char*>(model.bytes()), model.size());
    if (absl::Status status = WriteWholeFile(copy, bytes); !status.ok()) return status;
  }
  if (absl::Status status = WriteHeader(model, path, *name); !status.ok()) return status;
  return WriteWholeFile(path, Filled(kAssembler, *name, model.size()));
}

}  // namespace cllm
