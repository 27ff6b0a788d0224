// `cllm keygen`, `cllm sign` and `cllm verify`: whose model it is, and whether it is whole.
#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "converter/commands/commands.h"
#include "converter/commands/files.h"
#include "converter/commands/options.h"
#include "converter/export/sha256.h"
#include "converter/import/model_file.h"
#include "converter/signature/key.h"
#include "converter/signature/seal.h"

namespace cllm {
namespace {

struct Options {
  std::string model, key, out, block = "4096";
};

absl::Status Generate(const Options& options) {
  const absl::StatusOr<PrivateKey> key = PrivateKey::Generate();
  if (!key.ok()) return key.status();
  const SignalsHeld held;
  if (absl::Status status = key->Write(options.out); !status.ok()) return status;
  const std::string public_path = options.out + ".pub";
  if (absl::Status status = WritePublicKey(key->public_key(), public_path); !status.ok()) return status;
  absl::FPrintF(stderr, "%s: the private key; keep it, and keep it to yourself\n", options.out);
  absl::FPrintF(stderr, "%s: the public key, for all who verify\n", public_path);
  return WriteOut(Hexadecimal(key->public_key()) + "\n");
}

absl::Status Sign(const Options& options) {
  const absl::StatusOr<PrivateKey> key = PrivateKey::Read(options.key);
  if (!key.ok()) return key.status();
  const absl::StatusOr<ModelFile> model = ModelFile::Open(options.model);
  if (!model.ok()) return model.status();
  const SignalsHeld held;
  const auto sign = [&key](std::string_view message) { return key->Sign(message); };
  const auto block = static_cast<uint32_t>(std::stoul(options.block));
  if (absl::Status status = WriteSigned(*model, {key->public_key(), sign}, block, options.out);
      !status.ok()) {
    return status;
  }
  absl::FPrintF(stderr, "%s: %s bytes, signed by %s\n", options.out, Grouped(FileBytes(options.out)),
                Hexadecimal(key->public_key()));
  return absl::OkStatus();
}

absl::Status Verify(const Options& options) {
  const absl::StatusOr<ModelFile> model = ModelFile::Open(options.model);
  if (!model.ok()) return model.status();
  PublicKey key;
  if (!options.key.empty()) {
    absl::StatusOr<PublicKey> read = ReadPublicKey(options.key);
    if (!read.ok()) return read.status();
    key = *read;
  }
  const SealReport report = VerifySeal(*model, options.key.empty() ? nullptr : &key);
  if (report.status == CLLM_SIGNATURE_KEY) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.model, ": ", cllm_status_name(report.status), ", ", Hexadecimal(report.signer)));
  }
  if (report.status != CLLM_OK) return ExplainStatus(report.status, options.model);
  if (report.damaged_count > 0) {
    return absl::DataLossError(absl::StrFormat(
        "%s: %s: %u of %u blocks of %u bytes, from byte %u on: %s%s. Copy the file again.", options.model,
        cllm_status_name(CLLM_BLOCK_DAMAGED), report.damaged_count, report.blocks, report.block_bytes,
        report.first_offset, absl::StrJoin(report.damaged, ", "),
        report.damaged.size() < report.damaged_count ? ", ..." : ""));
  }
  return WriteOut(
      absl::StrFormat("%s: whole, %u blocks of %u bytes; signed by %s%s\n", options.model, report.blocks,
                      report.block_bytes, Hexadecimal(report.signer),
                      options.key.empty() ? ", whoever that is: give --key to hold it against" : ""));
}

}  // namespace

Command AddKeygen(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("keygen", "makes a pair of keys for signing models");
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "Writes an Ed25519 private key (RFC 8032) that only you may read, and beside it the public key, "
      "FILE.pub,\n"
      "whose 64 digits it prints. A device that knows these opens no model of anybody else's.\n\n"
      "Example:\n"
      "  cllm keygen -o maker.key");
  return {flags, [options] { return Generate(*options); }};
}

Command AddSign(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("sign", "signs a model, so that devices can tell whose it is");
  AddModel(flags, &options->model);
  flags.Add("--key", &options->key, "the private key that 'cllm keygen' wrote").Required().Kind("FILE");
  AddChoice(flags, "--block", &options->block, {"1024", "4096", "16384", "65536"},
            "bytes that a device can check by themselves");
  AddOutput(flags, &options->out);
  flags.SetFooter(
      "The signed file is the same model, with a tree of digests behind its weights: 0.8% of its size with "
      "blocks\n"
      "of 4096 bytes. It runs wherever the model does; cllm_model_open_signed of the C API, and 'cllm "
      "verify',\n"
      "say whose it is.\n\n"
      "Example:\n"
      "  cllm sign stories8.cllm --key maker.key -o stories8.signed.cllm");
  return {flags, [options] { return Sign(*options); }};
}

Command AddVerify(Flags program) {
  auto options = std::make_shared<Options>();
  Flags flags = program.AddCommand("verify", "says whether a signed model is whole, and whose it is");
  AddModel(flags, &options->model);
  flags.Add("--key", &options->key, "the public key of who should have signed it, or its 64 digits")
      .Kind("FILE")
      .Default("whoever the file names");
  flags.SetFooter(
      "Ends with 1 if the signature is missing, stripped, of another key or wrong, or any byte has "
      "changed.\n\n"
      "Example:\n"
      "  cllm verify stories8.signed.cllm --key maker.key.pub");
  return {flags, [options] { return Verify(*options); }};
}

}  // namespace cllm
