// `cllm bench`: speed and memory of a model, or of random weights of a known shape.
#include <cstdio>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/first_token.h"
#include "converter/commands/options.h"
#include "converter/export/weight_formats.h"
#include "converter/import/model_file.h"
#include "converter/json/json_text.h"
#include "converter/run/hosted_session.h"
#include "converter/run/speed.h"
#include "converter/train/configurations.h"
#include "kernels/targets.h"
#include "nlohmann/json.hpp"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, shape, format;
  uint32_t threads = 1;
  bool json = false;
  cllm_kv_format kv = CLLM_KV_F32;
  bool first_token = false;  // the child's part, see first_token.h
};

struct Measured {
  std::string name;
  uint64_t model_bytes = 0;
  cllm_model_info info{};
  SpeedResult speed;
  std::optional<FirstTokenCost> first_token;
};

constexpr uint64_t kWeightSeed = 1;

void CheckUsage(const Options& options) {
  if (options.model.empty() == options.shape.empty()) {
    throw UsageError("MODEL, --shape", "give one of them, a file or the name of a shape");
  }
  if (options.shape.empty() && !options.format.empty()) {
    throw UsageError("--format", "goes with --shape; a MODEL has the format of its file");
  }
  if (!options.shape.empty() && options.format.empty()) {
    throw UsageError("--shape", "needs --format beside it");
  }
}

absl::Status PrintFirstToken(const Options& options) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model);
  if (!file.ok()) return file.status();
  const ThreadPool pool(options.threads);
  absl::StatusOr<uint32_t> token = FirstToken(*file->handle(), pool.workers());
  if (!token.ok()) return token.status();
  absl::PrintF("%u\n", *token);
  std::fflush(stdout);
  absl::StatusOr<uint64_t> resident = PeakResidentBytes();
  if (resident.ok()) absl::PrintF("%u\n", *resident);
  return resident.status();
}

absl::StatusOr<Measured> MeasureFile(const std::string& path, uint32_t threads, cllm_kv_format kv) {
  absl::StatusOr<ModelFile> file = ModelFile::Open(path);
  if (!file.ok()) return file.status();
  Measured measured;
  measured.model_bytes = file->size();
  measured.info = Describe(*file->handle());
  absl::StatusOr<FirstTokenCost> first = MeasureFirstToken(path, threads);
  if (first.ok()) {
    measured.first_token = *first;
  } else {
    absl::FPrintF(stderr, "first token: not measured: %s\n", std::string(first.status().message()));
  }
  const ThreadPool pool(threads);
  SpeedOptions options;
  options.kv_format = kv;
  options.workers = pool.workers();
  absl::StatusOr<SpeedResult> speed = MeasureSpeed(*file->handle(), options);
  if (!speed.ok()) return speed.status();
  measured.speed = *speed;
  return measured;
}

absl::StatusOr<Measured> Measure(const Options& options) {
  if (options.shape.empty()) return MeasureFile(options.model, options.threads, options.kv);
  const Checkpoint checkpoint =
      InitialCheckpoint(FindConfiguration(options.shape)->architecture, kWeightSeed);
  absl::StatusOr<TemporaryModel> model = TemporaryModel::Write(checkpoint, FormatNamed(options.format));
  if (!model.ok()) return model.status();
  return MeasureFile(model->path(), options.threads, options.kv);
}

void PrintJson(const Measured& measured, uint32_t threads) {
  nlohmann::ordered_json json = {
      {"model", measured.name},
      {"format", FormatName(static_cast<Dtype>(measured.info.weight_format))},
      {"parameters", measured.info.parameters},
      {"model_bytes", measured.model_bytes},
      {"room_bytes", measured.speed.room_bytes},
      {"threads", threads},
      {"target", ChosenTarget()},
      {"prefill_tokens", measured.speed.prefill_tokens},
      {"prefill_tokens_per_second", measured.speed.prefill_tokens_per_second},
      {"prefill_fraction", measured.speed.prefill_fraction},
      {"decode_tokens", measured.speed.decode_tokens},
      {"decode_tokens_per_second", measured.speed.decode_tokens_per_second},
      {"decode_fraction", measured.speed.decode_fraction},
      {"forward_tokens", measured.speed.forward_tokens},
      {"forward_tokens_per_second", measured.speed.forward_tokens_per_second},
      {"sequences", measured.speed.sequences},
      {"batched_forward_tokens_per_second", measured.speed.batched_forward_tokens_per_second},
      {"streams", measured.speed.streams},
      {"streams_tokens_per_second", measured.speed.streams_tokens_per_second},
      {"repetitions", measured.speed.repetitions},
      {"first_token_seconds", nullptr},
      {"first_token_resident_bytes", nullptr}};
  if (measured.first_token) {
    json["first_token_seconds"] = measured.first_token->seconds;
    json["first_token_resident_bytes"] = measured.first_token->resident_bytes;
  }
  std::puts(JsonText(json, 2).c_str());
}

void PrintText(const Measured& measured, uint32_t threads) {
  const SpeedResult& speed = measured.speed;
  absl::PrintF("%s: %s parameters, %s, %u thread%s, %s\n", measured.name, Grouped(measured.info.parameters),
               FormatWords(static_cast<Dtype>(measured.info.weight_format)), threads, threads == 1 ? "" : "s",
               ChosenTarget());
  absl::PrintF(
      "prefill      %10.0f tokens a second (%u tokens, median of %u; %.0f%% of the products' peak)\n",
      speed.prefill_tokens_per_second, speed.prefill_tokens, speed.repetitions, 100 * speed.prefill_fraction);
  absl::PrintF("decode       %10.0f tokens a second (%u tokens, median of %u; %.0f%% of the read speed)\n",
               speed.decode_tokens_per_second, speed.decode_tokens, speed.repetitions,
               100 * speed.decode_fraction);
  absl::PrintF("forward      %10.0f tokens a second (%u tokens, median of %u; logits at every position)\n",
               speed.forward_tokens_per_second, speed.forward_tokens, speed.repetitions);
  absl::PrintF("             %10.0f tokens a second (%u such sequences at once, as streams)\n",
               speed.batched_forward_tokens_per_second, speed.sequences);
  absl::PrintF("streams      %10.0f tokens a second (decode of %u streams together)\n",
               speed.streams_tokens_per_second, speed.streams);
  if (measured.first_token) {
    absl::PrintF("first token  %10.2f ms after the start of the process (median of 5), %s bytes resident\n",
                 1e3 * measured.first_token->seconds, Grouped(measured.first_token->resident_bytes));
  }
  absl::PrintF("model        %10s bytes\nroom         %10s bytes\n", Grouped(measured.model_bytes),
               Grouped(speed.room_bytes));
}

absl::Status Run(const Options& options) {
  CheckUsage(options);
  if (options.first_token) return PrintFirstToken(options);
  absl::StatusOr<Measured> measured = Measure(options);
  if (!measured.ok()) return measured.status();
  measured->name = options.shape.empty() ? options.model : options.shape;
  options.json ? PrintJson(*measured, options.threads) : PrintText(*measured, options.threads);
  return absl::OkStatus();
}

}  // namespace

Command AddBench(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("bench", "measures speed and memory on this machine");
  flags.Add("MODEL", &options->model, "a .cllm file").Kind("");
  std::vector<std::string> shapes;
  for (const Configuration& configuration : Configurations()) shapes.push_back(configuration.name);
  AddChoice(flags, "--shape", &options->shape, shapes, "random weights of this shape instead of a file");
  AddChoice(flags, "--format", &options->format,
            {"f32", "bf16", "int8", "int4", "lattice2", "lattice3", "lattice4"}, "their format");
  AddKv(flags, &options->kv);
  AddThreads(flags, &options->threads);
  flags.Add("--json", &options->json, "print one JSON object");
  flags.Add("--first-token", &options->first_token, "").Hidden();
  flags.SetFooter(
      "On stdout, in tokens a second, medians after a warm-up: prefill (256 tokens fed at once, or the\n"
      "context if less), decode (128 tokens drawn and fed one by one), forward (100 tokens fed at once, "
      "logits\n"
      "at every position; then 8 such sequences in one call) and streams (32 sequences that decode "
      "together,\n"
      "each of them 128 tokens); the time from the start of a process to its first token (this program is "
      "run\n"
      "again for it, five times) and the memory that it then has resident, of which the model file is a "
      "part;\n"
      "bytes of the model file and of the session's room. The percentages:\n"
      "prefill's operations in the layers' matrices of what their kernel does within the first cache, and\n"
      "decode's bytes of weights and cache of what this machine reads of as many. Random weights lie in the\n"
      "temporary folder (TMPDIR) meanwhile.\n\n"
      "Examples:\n"
      "  cllm bench stories8.cllm --threads 1\n"
      "  cllm bench --shape 15m --format int8 --json");
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
