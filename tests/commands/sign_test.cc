// `cllm keygen`, `cllm sign` and `cllm verify` as a user runs them.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

#ifdef CLLM_HAS_SODIUM
mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

struct Maker {
  explicit Maker(const std::string& folder) : key(folder + "/maker.key") {
    generated = RunProgram({"keygen", "-o", key});
  }
  std::string key;
  Finished generated;
};

TEST_CASE("keys: only their owner's, never written over, each file says what it is") {
  const TemporaryDirectory folder;
  const Maker maker(folder.path());
  REQUIRE(maker.generated.exit_code == 0);
  CHECK(ModeOf(maker.key) == 0600);
  const std::string digits = maker.generated.out.substr(0, 64);
  CHECK(ReadBytes(maker.key + ".pub") == "cllm ed25519 public key\n" + digits + "\n");
  const std::string before = ReadBytes(maker.key);
  const Finished again = RunProgram({"keygen", "-o", maker.key});
  CHECK(again.exit_code == 1);
  CHECK(Contains(again.err, "there already"));
  CHECK(ReadBytes(maker.key) == before);

  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8), out = folder.path() + "/out.cllm";
  const auto refused = [&](const std::string& key, const std::string& words) {
    const Finished finished = RunProgram({"sign", model, "--key", key, "-o", out});
    CHECK(finished.exit_code == 1);
    CAPTURE(finished.err);
    CHECK(Contains(finished.err, words));
  };
  refused(maker.key + ".pub", "this is a cllm ed25519 public key");
  refused(model, "no key file");
  refused(folder.path() + "/none", "none");
  const std::string open_key = folder.path() + "/open.key";
  WriteBytes(open_key, before);
  ::chmod(open_key.c_str(), 0640);
  refused(open_key, "chmod 600");
  WriteBytes(open_key, "cllm ed25519 private key\n123\n");
  ::chmod(open_key.c_str(), 0600);
  refused(open_key, "64 hexadecimal digits");
}

TEST_CASE("a signed model says the same, and verifies until a byte changes") {
  const TemporaryDirectory folder;
  const Maker maker(folder.path());
  const std::string model = WriteLetterModel(folder.path(), Dtype::kI8), out = folder.path() + "/signed.cllm";
  REQUIRE(RunProgram({"sign", model, "--key", maker.key, "-o", out}).exit_code == 0);
  const std::vector<std::string> say = {"generate", model, "--prompt",      "ab",
                                        "--tokens", "20",  "--temperature", "0"};
  std::vector<std::string> say_signed = say;
  say_signed[1] = out;
  CHECK(RunProgram(say).out == RunProgram(say_signed).out);
  const std::string digits = maker.generated.out.substr(0, 64);
  for (const std::string& key : {maker.key + ".pub", digits}) {
    const Finished good = RunProgram({"verify", out, "--key", key});
    CHECK(good.exit_code == 0);
    CHECK(Contains(good.out, "signed by " + digits));
  }
  CHECK(Contains(RunProgram({"verify", out}).out, "whoever that is"));

  const auto fails = [](const std::vector<std::string>& words, const std::string& status) {
    const Finished finished = RunProgram(words);
    CHECK(finished.exit_code == 1);
    CAPTURE(finished.err);
    CHECK(Contains(finished.err, status));
  };
  fails({"verify", model}, "CLLM_SIGNATURE_MISSING");
  fails({"verify", out, "--key", std::string(63, '0') + "1"}, "CLLM_SIGNATURE_KEY");
  std::string bytes = ReadBytes(out);
  const std::string changed = folder.path() + "/changed.cllm";
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  WriteBytes(changed, bytes);
  fails({"verify", changed, "--key", digits}, "1 of ");
  fails({"verify", changed, "--key", digits}, "CLLM_BLOCK_DAMAGED");

  const std::string patch = folder.path() + "/p.patch", made = folder.path() + "/made.cllm";
  REQUIRE(RunProgram({"diff", model, out, "-o", patch}).exit_code == 0);
  CHECK(ReadBytes(patch).size() < ReadBytes(out).size() / 2);
  REQUIRE(RunProgram({"patch", model, patch, "-o", made}).exit_code == 0);
  CHECK(ReadBytes(made) == ReadBytes(out));
  fails({"patch", out, patch, "-o", made}, "CLLM_PATCH_BASE");
  fails({"patch", model, model, "-o", made}, "CLLM_PATCH_NOT_PATCH");
  REQUIRE(RunProgram({"diff", "none", out, "-o", patch}).exit_code == 0);
  CHECK(RunProgram({"patch", "none", patch, "-o", made}).exit_code == 0);
}
#else
TEST_CASE("a build without libsodium says so") {
  const TemporaryDirectory folder;
  const Finished finished = RunProgram({"keygen", "-o", folder.path() + "/key"});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "libsodium"));
}
#endif

}  // namespace
}  // namespace cllm::testing
