// `cllm digest`: a fingerprint of a model's arithmetic on this machine.
#include "converter/run/digest.h"

#include <cstdio>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "converter/commands/commands.h"
#include "converter/commands/options.h"
#include "converter/import/model_file.h"
#include "kernels/targets.h"
#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Options {
  std::string model, delta, target;
  uint32_t tokens = 0, split = 0, threads = 1;
  cllm_kv_format kv = CLLM_KV_F32;
};

std::string TargetNames() {
  std::vector<std::string> names;
  for (int64_t left = SupportedTargets(); left != 0; left &= left - 1) {
    names.push_back(TargetName(left & -left));
  }
  return absl::StrJoin(names, ", ");
}

absl::Status Run(const Options& options) {
  if (options.target == "list") {
    for (int64_t left = SupportedTargets(); left != 0; left &= left - 1) std::puts(TargetName(left & -left));
    return absl::OkStatus();
  }
  if (options.model.empty()) throw UsageError::Missing("MODEL");
  if (!options.target.empty() && !UseTarget(options.target.c_str())) {
    throw UsageError("--target", absl::StrCat("this machine or build has no '", options.target,
                                              "'; there are ", TargetNames()));
  }
  absl::StatusOr<ModelFile> file = ModelFile::Open(options.model, options.delta);
  if (!file.ok()) return file.status();
  ThreadPool pool(options.threads);
  const DigestOptions digest{options.tokens, options.split, options.kv, pool.workers()};
  absl::StatusOr<DigestResult> result = ComputeDigest(*file->handle(), digest);
  if (!result.ok()) return result.status();
  absl::PrintF("logits %s\ntokens %s\n", result->logits, result->tokens);
  absl::FPrintF(stderr, "%u tokens fed (seed %u), %u continued; %s, %u thread%s\n", result->fed, kDigestSeed,
                result->continued, ChosenTarget(), options.threads, options.threads == 1 ? "" : "s");
  return absl::OkStatus();
}

}  // namespace

Command AddDigest(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("digest", "proves that a model computes the same here as elsewhere");
  flags.Add("MODEL", &options->model, "a .cllm file").Kind("");
  AddDelta(flags, &options->delta);
  AddCount(flags, "--tokens", &options->tokens, 1, 1u << 30, "tokens to feed, at most the context",
           absl::StrCat(kDigestTokens, ", or the context if less"));
  AddKv(flags, &options->kv);
  AddThreads(flags, &options->threads);
  flags
      .Add("--target", &options->target,
           "force a SIMD level; 'list' prints those of this machine, best first")
      .Kind("NAME")
      .Default("the best");
  AddCount(flags, "--split", &options->split, 1, 1u << 30, "tokens a feed; the result does not depend on it",
           "32, or the context if less");
  flags.SetFooter(absl::StrCat(
      "Feeds a fixed pseudo-random token sequence (seed ", kDigestSeed, ") and goes on greedily for up to ",
      kDigestContinuation,
      "\ntokens. On stdout two lines:\n"
      "  logits HEX   SHA-256 of the bits of all logits of every position fed, float32 little endian\n"
      "  tokens HEX   SHA-256 of the ids of the continuation, uint32 little endian\n"
      "They depend on the model, --tokens and --kv only: not on machine, SIMD level, threads or split. "
      "(Float\n"
      "models too, everywhere; where there is no fused multiply-add they are slow.)\n\n"
      "Examples:\n"
      "  cllm digest stories8.cllm\n"
      "  cllm digest stories8.cllm --target SCALAR --threads 1 --split 7     # the same two lines"));
  return {flags, [options] { return Run(*options); }};
}

}  // namespace cllm
