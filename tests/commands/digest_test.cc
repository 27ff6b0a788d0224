#include <doctest/doctest.h>

#include <sstream>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

std::string Digest(const std::string& model, std::vector<std::string> more) {
  more.insert(more.begin(), {"digest", model});
  const Finished finished = RunProgram(more);
  CAPTURE(finished.err);
  REQUIRE(finished.exit_code == 0);
  return finished.out;
}

TEST_CASE("digest prints two lines of stable form") {
  const TemporaryDirectory folder;
  const std::string out = Digest(WriteLetterModel(folder.path(), Dtype::kF32), {});
  REQUIRE(out.size() == 2 * (7 + 64 + 1));
  CHECK(out.substr(0, 7) == "logits ");
  CHECK(out.substr(72, 7) == "tokens ");
  for (const size_t line : {7, 79}) {
    CHECK(out.substr(line, 64).find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(out[line + 64] == '\n');
  }
}

TEST_CASE("the digest is the same for all threads, splits and targets") {
  const TemporaryDirectory folder;
  for (const Dtype format : {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4}) {
    const std::string model = WriteLetterModel(folder.path(), format);
    const std::string expected = Digest(model, {"--threads", "1", "--tokens", "40"});
    for (const char* threads : {"2", "3"}) {
      CHECK(Digest(model, {"--tokens", "40", "--threads", threads}) == expected);
    }
    for (const char* split : {"1", "2", "7", "16", "39", "40", "1000"}) {
      CAPTURE(split);
      CHECK(Digest(model, {"--tokens", "40", "--threads", "2", "--split", split}) == expected);
    }
    std::istringstream targets(RunProgram({"digest", "--target", "list"}).out);
    size_t count = 0;
    for (std::string target; std::getline(targets, target); ++count) {
      CAPTURE(target);
      CHECK(Digest(model, {"--tokens", "40", "--target", target}) == expected);
    }
    CHECK(count >= 1);
    CHECK(Digest(model, {"--tokens", "39"}) != expected);
  }
}

TEST_CASE("digest refuses what the context does not hold") {
  const TemporaryDirectory folder;
  const std::string model = WriteLetterModel(folder.path(), Dtype::kF32);
  CHECK(RunProgram({"digest", model, "--tokens", "48"}).exit_code == 0);
  const Finished finished = RunProgram({"digest", model, "--tokens", "49"});
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "48"));
  const Finished target = RunProgram({"digest", model, "--target", "AVX9"});
  CHECK(target.exit_code == 2);
  CHECK(Contains(target.err, "there are "));
}

}  // namespace
}  // namespace cllm::testing
