// `cllm inspect`: what is in a model file.
#include "converter/inspect/inspect.h"

#include <cstdio>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/checkpoint/variant.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/weight_formats.h"
#include "converter/import/mapped_file.h"
#include "converter/inspect/device.h"
#include "converter/inspect/diagnose.h"
#include "converter/inspect/other_files.h"

namespace cllm {
namespace {

struct Options {
  std::string model, device;
  uint32_t context = 0, batch = 0;
  cllm_kv_format kv = CLLM_KV_F32;
  bool json = false;
};

std::string TokenWords(uint32_t token) { return token == CLLM_NO_TOKEN ? "none" : absl::StrCat(token); }

void PrintConfiguration(const ModelReport& report) {
  const cllm_model_info& info = report.info;
  absl::PrintF("%s\n", report.path);
  absl::PrintF("  file          %s bytes, format %u.%u, %s weights\n", Grouped(report.file_bytes),
               report.format_major, report.format_minor, FormatWords(static_cast<Dtype>(info.weight_format)));
  absl::PrintF("  parameters    %s\n", Grouped(info.parameters));
  absl::PrintF("  architecture  %u layers, %u wide, %u heads of %u (%u for keys and values), hidden %u\n",
               info.layers, info.width, info.heads, info.head_size, info.kv_heads, info.hidden);
  absl::PrintF("                %s (epsilon %g), %s, RoPE on %s pairs, %s head\n",
               NormWords(report.variant.norm), report.norm_epsilon, FeedForwardWords(report.variant),
               report.rope_pairs == RopePairs::kAdjacent ? "adjacent" : "half-way",
               info.tied_head ? "tied" : "untied");
  if (const std::string words = SwitchWords(report.variant); !words.empty()) {
    absl::PrintF("                %s\n", words);
  }
  absl::PrintF("  context       %u tokens\n", info.context);
  absl::PrintF("  tokenizer     %s, %u tokens, begin %s, end %s\n", report.tokenizer, info.vocabulary_size,
               TokenWords(info.begin_token), TokenWords(info.end_token));
  for (const auto& [name, value] :
       {std::pair("source", &report.source), std::pair("licence", &report.licence),
        std::pair("recipe", &report.recipe), std::pair("tool", &report.tool)}) {
    if (!value->empty()) absl::PrintF("  %-12s  %s\n", name, *value);
  }
}

void PrintMemory(const ModelReport& report) {
  absl::PrintF("  digest        %s\n", report.content_digest);
  absl::PrintF("  memory        %s bytes of room for context %u, batch %u%s\n", Grouped(report.room_bytes),
               report.plan_context, report.plan_batch,
               report.plan_kv_format == CLLM_KV_F32
                   ? ""
                   : absl::StrCat(", ", KvName(report.plan_kv_format), " cache"));
}

void PrintTables(const ModelReport& report) {
  absl::PrintF("\nbytes by part\n");
  for (const PartReport& part : report.parts) {
    absl::PrintF("  %-28s %14s\n", part.name, Grouped(part.bytes));
  }
  absl::PrintF("\n%-29s %7s x %-8s %-8s %12s\n", absl::StrCat(report.tensors.size(), " tensors"), "rows",
               "columns", "format", "bytes");
  for (const TensorReport& tensor : report.tensors) {
    absl::PrintF("  %-27s %7u x %-8u %-8s %12s%s\n", tensor.name, tensor.rows, tensor.columns,
                 FormatWords(tensor.dtype), Grouped(tensor.bytes),
                 tensor.digest_matches ? "" : "  DIGEST DOES NOT MATCH");
  }
}

void PrintDevices() {
  for (const Device& device : Devices()) {
    absl::PrintF("%-12s  %-10s  flash %9s  RAM %9s  %s\n", device.name, device.core,
                 Grouped(device.flash_bytes), Grouped(device.ram_bytes), device.source);
  }
}

void PrintDevice(const DeviceReport& report) {
  const Device& device = report.device;
  const auto verdict = [](bool fits) { return fits ? "fits" : "DOES NOT FIT"; };
  const bool measured = device.board[0] != 0;
  absl::PrintF("  device        %s, %s (%s)\n", device.name, device.core, device.source);
  const std::string code = measured ? absl::StrCat("code at most ", Grouped(report.cost.code_bytes))
                                    : std::string("code not measured for this core");
  absl::PrintF("    flash       %s of %s bytes: %s", Grouped(report.flash_bytes), Grouped(device.flash_bytes),
               code);
  if (device.model_flash_bytes == 0) absl::PrintF(", model %s", Grouped(report.model_bytes));
  absl::PrintF(": %s\n", verdict(report.flash_fits));
  if (device.model_flash_bytes != 0) {
    absl::PrintF("    model       %s of %s bytes of its own memory\n", Grouped(report.model_bytes),
                 Grouped(device.model_flash_bytes));
  }
  absl::PrintF("    RAM         %s of %s bytes: room %s", Grouped(report.ram_bytes),
               Grouped(device.ram_bytes), Grouped(report.room_bytes));
  if (measured) {
    absl::PrintF(", stack at most %s, variables at most %s", Grouped(report.cost.stack_bytes),
                 Grouped(report.cost.program_bytes));
  }
  absl::PrintF(": %s\n    context     %u at most\n", verdict(report.ram_fits), report.largest_context);
}

absl::Status DoesNotFit(const DeviceReport& report, const std::string& path) {
  const char* device = report.device.name;
  if (!report.flash_fits) {
    return absl::FailedPreconditionError(absl::StrCat(path, " does not fit into the flash of ", device,
                                                      "; quantize it further, or take a smaller model"));
  }
  return absl::FailedPreconditionError(
      absl::StrCat(path, " does not fit into the RAM of ", device,
                   report.largest_context > 0 ? absl::StrCat("; --context ", report.largest_context, " would")
                                              : std::string(" with any context"),
                   "; --kv int8 and --batch 1 take less"));
}

// The error, and in words where the file is wrong.
absl::Status WithPlace(const absl::Status& error, const std::string& path) {
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path, "a .cllm file");
  const std::string place = file.ok() ? DiagnoseModel(file->bytes()) : std::string();
  return place.empty() ? error : absl::Status(error.code(), absl::StrCat(error.message(), "\n  ", place));
}

// ", first those of ..., bytes ... to ..."; "" where it is no tensor's.
std::string FirstDamage(const ModelReport& report) {
  for (const TensorReport& tensor : report.tensors) {
    if (tensor.digest_matches) continue;
    return absl::StrCat(", first that of ", tensor.name, ", bytes ", tensor.offset, " to ",
                        tensor.offset + tensor.bytes);
  }
  return "";
}

absl::Status DescribeOther(const Options& options) {
  if (options.json || !options.device.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        options.model, ": --json and --device are for .cllm files; 'cllm import' makes one of a source"));
  }
  const absl::StatusOr<std::string> text = DescribeOtherFile(options.model);
  if (!text.ok()) return text.status();
  return WriteOut(absl::StrCat(options.model, "\n", *text));
}

absl::Status Run(const Options& options) {
  if (options.device == "list") {
    PrintDevices();
    return absl::OkStatus();
  }
  if (options.model.empty()) throw UsageError::Missing("MODEL");
  Device device{};
  if (!options.device.empty()) {
    absl::StatusOr<Device> found = FindDevice(options.device);
    if (!found.ok()) return found.status();
    device = *found;
  }
  if (!BeginsLikeModel(options.model)) return DescribeOther(options);
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model);
  if (!file.ok()) return WithPlace(file.status(), options.model);
  absl::StatusOr<ModelReport> report = Inspect(*file, options.context, options.batch, options.kv);
  if (!report.ok()) return report.status();
  std::optional<DeviceReport> on_device;
  if (!options.device.empty()) {
    absl::StatusOr<DeviceReport> checked = CheckDevice(*file, *report, device);
    if (!checked.ok()) return checked.status();
    on_device = *checked;
  }
  if (options.json) {
    std::puts(ReportJson(*report, on_device ? &*on_device : nullptr).c_str());
  } else if (on_device) {
    PrintConfiguration(*report);
    PrintMemory(*report);
    PrintDevice(*on_device);
  } else {
    PrintConfiguration(*report);
    PrintMemory(*report);
    PrintTables(*report);
  }
  if (!report->digests_match) {
    return absl::DataLossError(
        absl::StrCat(options.model, ": the digests in the file do not match its contents",
                     FirstDamage(*report), ": it was damaged or changed. Get it again"));
  }
  if (on_device && !(on_device->flash_fits && on_device->ram_fits))
    return DoesNotFit(*on_device, options.model);
  return absl::OkStatus();
}

}  // namespace

Command AddInspect(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("inspect", "shows what is in a model file, or what is wrong with it");
  flags
      .Add("MODEL", &options->model,
           "a .cllm file; or, in fewer words, a delta, a saved state, a patch, a checkpoint of training,\n"
           "or anything that 'cllm import' takes")
      .Kind("");
  flags.Add("--json", &options->json, "print one JSON object");
  AddCount(flags, "--context", &options->context, 1, 1u << 30,
           "tokens of the session that the memory plan is for", "the model's");
  AddCount(flags, "--batch", &options->batch, 1, 1u << 30, "tokens that it computes at once",
           "32, 12 with an int8 cache, or the context if less");
  AddKv(flags, &options->kv);
  flags
      .Add(
          "--device", &options->device,
          "whether the model fits this microcontroller with these limits: flash, RAM, stack; exit code 1 if\n"
          "not. 'list' prints the known ones, and where their numbers are from")
      .Kind("NAME");
  flags.SetFooter(
      "On stdout: configuration, number of parameters, origin, bytes by part of the file, every tensor, the\n"
      "SHA-256 of all contents (checked against them: a damaged file is reported and ends with exit code "
      "1),\n"
      "and the room: the bytes of memory, to the byte, that a session takes on any machine.\n\n"
      "Examples:\n"
      "  cllm inspect stories.cllm\n"
      "  cllm inspect stories.cllm --context 128 --batch 1     # the memory that a small device needs\n"
      "  cllm inspect stories8.cllm --device nRF52840 --context 128 --kv int8\n"
      "  cllm inspect stories.cllm --json | python3 -m json.tool");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
