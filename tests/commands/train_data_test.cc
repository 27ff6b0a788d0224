// What `cllm train` does with its data: folders, packed files, caches, a corpus larger than memory.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "commands/program.h"
#include "support/file_tools.h"
#include "support/packed_text.h"

namespace cllm::testing {
namespace {

namespace fs = std::filesystem;

std::string Stories(int first, int count) {
  std::string text;
  for (int i = first; i < first + count; ++i) {
    text += "Once fox " + std::to_string(i % 50) + " met owl " + std::to_string(i % 7) + ".\n\n";
  }
  return text;
}

std::string Digest(const Finished& finished) {
  const size_t at = finished.err.rfind("digest ");
  return at == std::string::npos ? finished.err : finished.err.substr(at);
}

std::vector<std::string> Arguments(const std::string& data, const std::string& out) {
  return {"train", "--data", data, "-o", out, "--config", "82k", "--steps", "3", "--documents", "paragraphs"};
}

Finished Run(std::vector<std::string> arguments, const std::vector<std::string>& more = {}) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunProgram(arguments);
}

TEST_CASE("folders, packed files and caches give the weights of the plain text") {
  const TemporaryDirectory folder;
  const std::string plain = folder.path() + "/plain", many = folder.path() + "/many";
  const std::string model = folder.path() + "/m.cllm", cache = folder.path() + "/cache";
  fs::create_directories(many + "/more");
  WriteBytes(plain, Stories(0, 300));
  const std::string first = Stories(0, 100), second = Stories(100, 100);
  WriteBytes(many + "/1.gz", Gzipped(first).value_or(first));
  WriteBytes(many + "/2.zst", ZstdPacked(second).value_or(second));
  WriteBytes(many + "/more/3", Stories(200, 100));
  const std::string expected = Digest(Run(Arguments(plain, model)));
  CHECK(Contains(expected, "digest "));
  CHECK(Digest(Run(Arguments(many, model))) == expected);
  const Finished made = Run(Arguments(many, model), {"--cache", cache});
  CHECK(Digest(made) == expected);
  CHECK_FALSE(Contains(made.err, "tokens from"));
  const Finished found = Run(Arguments(many, model), {"--cache", cache});
  CHECK(Contains(found.err, "tokens from " + cache));
  CHECK(Digest(found) == expected);
  CHECK(Contains(found.err, "300 documents"));
  // Damaged, it is made anew; of changed data there is another.
  const std::string file = fs::directory_iterator(cache)->path().string();
  std::string bytes = ReadBytes(file);
  bytes[bytes.size() / 2] ^= 1;
  WriteBytes(file, bytes);
  const Finished anew = Run(Arguments(many, model), {"--cache", cache});
  CHECK(Contains(anew.err, "is damaged; making it anew"));
  CHECK(Digest(anew) == expected);
  WriteBytes(many + "/more/3", Stories(201, 100));
  CHECK(Digest(Run(Arguments(many, model), {"--cache", cache})) != expected);
  CHECK(std::distance(fs::directory_iterator(cache), fs::directory_iterator()) == 2);
  const std::string shuffled = Digest(Run(Arguments(plain, model), {"--order", "shuffle"}));
  CHECK(shuffled != expected);
  CHECK(Digest(Run(Arguments(plain, model), {"--order", "shuffle", "--threads", "1"})) == shuffled);
}

TEST_CASE("a run does not go on when one of many files has changed, and says which") {
  const TemporaryDirectory folder;
  const std::string data = folder.path() + "/data", run = folder.path() + "/run";
  fs::create_directory(data);
  for (const char* name : {"/1", "/2", "/3"}) WriteBytes(data + name, Stories(name[1], 50));
  REQUIRE(Run(Arguments(data, folder.path() + "/m.cllm"), {"--checkpoint", run, "--every", "1"}).exit_code ==
          0);
  REQUIRE(RunProgram({"train", "--resume", run}).exit_code == 0);
  const auto refused = [&](const std::string& says) {
    const Finished finished = RunProgram({"train", "--resume", run});
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 1);
    CHECK(Contains(finished.err, says));
  };
  WriteBytes(data + "/25", "new");
  refused(data + "/25 was not there");
  fs::remove(data + "/25");
  const std::string before = ReadBytes(data + "/2");
  WriteBytes(data + "/2", before + ".");
  refused(data + "/2 is not the file");
  fs::remove(data + "/2");
  refused(data + "/2 is no longer there");
  WriteBytes(data + "/2", before);
  CHECK(RunProgram({"train", "--resume", run}).exit_code == 0);
}

TEST_CASE("bytes that are no UTF-8 are learned as they are, and reported") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  WriteBytes(text, Stories(0, 50) + "\xFF\xFE\n\n" + Stories(0, 50));
  const Finished finished = Run(Arguments(text, model));
  CHECK(finished.exit_code == 0);
  CHECK(Contains(finished.err, text + " is not all UTF-8"));
  const Finished ids = RunProgram({"tokenizer", "encode", model, "--text", "\xFF\xFE"});
  CHECK(RunProgram({"tokenizer", "decode", model, "--text", ids.out}).out == "\xFF\xFE");
}

TEST_CASE("a corpus larger than the memory that the program may have") {
  if (std::getenv("CLLM_EMULATOR") != nullptr && *std::getenv("CLLM_EMULATOR") != '\0') {
    std::puts("skipped: an emulator needs more memory than the limit");
    return;
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::puts("skipped: sanitizers need more memory than the limit");
  return;
#endif
  const TemporaryDirectory folder;
  const std::string data = folder.path() + "/data";
  fs::create_directory(data);
  {  // 48 MB twice, with few line ends, so that they are cut elsewhere too
    std::string text;
    for (int i = 0; text.size() < (8u << 20); ++i) {
      text += "number " + std::to_string(i % 1000) + (i % 999 ? " " : "\n");
    }
    const std::string packed = Gzipped(text).value_or(text);
    std::ofstream plain(data + "/1", std::ios::binary), members(data + "/2", std::ios::binary);
    for (int i = 0; i < 6; ++i) {
      plain << text;
      members << packed;
    }
  }
  // Mapped files do not count as data; everything that the program allocates does.
  struct rlimit before;
  getrlimit(RLIMIT_DATA, &before);
  const auto run = [&](uint64_t megabytes, const std::vector<std::string>& more) {
    struct rlimit limit = before;
    limit.rlim_cur = megabytes << 20;
    setrlimit(RLIMIT_DATA, &limit);
    const std::vector<std::string> arguments = {
        "train",   "--data", data,        "-o", folder.path() + "/m.cllm", "--config", "82k",
        "--steps", "1",      "--threads", "1",  "--val-fraction",          "0.0001",   "--batch",
        "1"};
    const Finished finished = Run(arguments, more);
    setrlimit(RLIMIT_DATA, &before);
    return finished;
  };
  const Finished cached = run(40, {"--cache", folder.path() + "/cache"});
  CAPTURE(cached.err);
  CHECK(cached.exit_code == 0);
  CHECK(Contains(cached.err, "document"));
  const Finished held = run(64, {});  // 16 bits a character: more than the limit
  CHECK(held.exit_code == 1);
  CHECK(Contains(held.err, "memory"));
}

TEST_CASE("no space left for the tokens") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text";
  WriteBytes(text, Stories(0, 20000));
  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  struct rlimit limit = before;
  limit.rlim_cur = 100000;
  setrlimit(RLIMIT_FSIZE, &limit);
  const Finished finished =
      Run(Arguments(text, folder.path() + "/m.cllm"), {"--cache", folder.path() + "/cache"});
  setrlimit(RLIMIT_FSIZE, &before);
  CAPTURE(finished.err);
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, folder.path() + "/cache/"));
  CHECK(Contains(finished.err, "too large"));
  CHECK(Listing(folder.path()) == "cache text ");
  CHECK(Listing(folder.path() + "/cache").empty());
}

}  // namespace
}  // namespace cllm::testing
