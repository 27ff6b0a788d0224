// `cllm diff` and `cllm patch`: the way from one file to another, for devices that update over the air.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/output_file.h"
#include "converter/import/mapped_file.h"
#include "converter/update/diff.h"

namespace cllm {
namespace {

constexpr char kNone[] = "none";

struct Options {
  std::string from, to, out;
};

absl::StatusOr<MappedFile> OpenOld(const std::string& path) {
  if (path == kNone) return MappedFile();
  return MappedFile::Open(path, "the file that the device has");
}

absl::Status Diff(const Options& options) {
  const absl::StatusOr<MappedFile> before = OpenOld(options.from),
                                   after = MappedFile::Open(options.to, "the new file");
  if (!before.ok()) return before.status();
  if (!after.ok()) return after.status();
  const std::string patch = MakePatch(before->bytes(), after->bytes());
  const absl::StatusOr<std::string> made = ApplyPatch(before->bytes(), patch, options.out);
  if (!made.ok()) return made.status();
  if (*made != after->bytes()) return absl::InternalError(absl::StrCat(options.out, " gives another file"));
  const SignalsHeld held;
  if (absl::Status status = WriteWholeFile(options.out, patch); !status.ok()) return status;
  absl::FPrintF(stderr, "%s: %s bytes, %.1f%% of %s\n", options.out, Grouped(patch.size()),
                100.0 * static_cast<double>(patch.size()) / static_cast<double>(after->bytes().size()),
                options.to);
  return absl::OkStatus();
}

absl::Status Patch(const Options& options) {
  const absl::StatusOr<MappedFile> before = OpenOld(options.from),
                                   patch = MappedFile::Open(options.to, "a patch");
  if (!before.ok()) return before.status();
  if (!patch.ok()) return patch.status();
  const absl::StatusOr<std::string> made = ApplyPatch(before->bytes(), patch->bytes(), options.to);
  if (!made.ok()) return made.status();
  const SignalsHeld held;
  if (absl::Status status = WriteWholeFile(options.out, *made); !status.ok()) return status;
  absl::FPrintF(stderr, "%s: %s bytes\n", options.out, Grouped(made->size()));
  return absl::OkStatus();
}

}  // namespace

Command AddDiff(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("diff", "makes a patch from one model file to another");
  flags.Add("OLD", &options->from, "the file that the device has; 'none': it has none yet")
      .Required()
      .Kind("");
  flags.Add("NEW", &options->to, "the file that it shall have").Required().Kind("");
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "Small where the files share bytes; weights that were all trained anew share few. A device applies it "
      "with\n"
      "cllm_slots_write of cllm/update.h, as it arrives. Sign NEW first: patches themselves are not "
      "trusted.\n\n"
      "Example:\n"
      "  cllm diff v1.cllm v2.cllm -o v1-to-v2.patch");
  return {flags, [options] { return Diff(*options); }};
}

Command AddPatch(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("patch", "applies a patch that 'cllm diff' made");
  flags.Add("OLD", &options->from, "the file that the patch was made from, or 'none'").Required().Kind("");
  flags.Add("PATCH", &options->to, "what 'cllm diff' wrote").Required().Kind("");
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "Example:\n"
      "  cllm patch v1.cllm v1-to-v2.patch -o v2.cllm");
  return {flags, [options] { return Patch(*options); }};
}

}  // namespace cllm
