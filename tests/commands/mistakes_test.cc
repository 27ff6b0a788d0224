// What a user may get wrong with `cllm train`: each is told by a message that names the thing and what to do.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

class Mistake {
 public:
  Mistake() : text_(folder_.path() + "/text") {}

  void Says(const std::string& content, const std::vector<std::string>& more,
            const std::vector<std::string>& parts) {
    WriteBytes(text_, content);
    std::vector<std::string> arguments = {"train",    "--data", text_, "-o", folder_.path() + "/m.cllm",
                                          "--config", "82k"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = RunProgram(arguments);
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 1);
    CHECK(finished.out.empty());
    for (const std::string& part : parts) {
      CAPTURE(part);
      CHECK(Contains(finished.err, part));
    }
    CHECK_FALSE(std::filesystem::exists(folder_.path() + "/m.cllm"));
  }
  const std::string& text() const { return text_; }

 private:
  TemporaryDirectory folder_;
  std::string text_;
};

TEST_CASE("an empty file, one of blank lines, one word") {
  Mistake mistake;
  mistake.Says("", {}, {mistake.text(), "is empty", "give a text file"});
  mistake.Says("\n\n \n", {"--documents", "paragraphs"}, {"--data", "nothing but empty lines"});
  mistake.Says("word", {}, {"4 tokens", "a window needs 129", "Give more text"});
}

TEST_CASE("a vocabulary larger than the text allows, a context longer than the data") {
  Mistake mistake;
  mistake.Says("some words, some more words, some more", {"--tokenizer", "bpe", "--vocab", "5000"},
               {"--vocab", "too small for a vocabulary of 5000", "Ask for "});
  mistake.Says("some words, some more words, some more", {"--tokenizer", "words", "--vocab", "5000"},
               {"--vocab", "too small for a vocabulary of 5000", "Ask for "});
  mistake.Says("some words, some more words, some more", {},
               {"tokens; a window needs 129", "Give more text"});
}

TEST_CASE("paths that are not there, or may not be read") {
  Mistake mistake;
  mistake.Says("text", {"--data", mistake.text() + "2"}, {mistake.text() + "2", "No such file"});
  if (geteuid() == 0) {
    std::puts("skipped: unreadable files, for this user may read everything");
    return;
  }
  WriteBytes(mistake.text() + "3", "text");
  std::filesystem::permissions(mistake.text() + "3", std::filesystem::perms::none);
  mistake.Says("text", {"--data", mistake.text() + "3"}, {mistake.text() + "3", "Permission denied"});
}

TEST_CASE("no space for the model") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  std::string content;
  for (int i = 0; i < 200; ++i) content += "words and more words ";
  WriteBytes(text, content);
  struct rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  struct rlimit limit = before;
  limit.rlim_cur = 50000;
  setrlimit(RLIMIT_FSIZE, &limit);
  const Finished finished =
      RunProgram({"train", "--data", text, "-o", model, "--config", "82k", "--steps", "1"});
  setrlimit(RLIMIT_FSIZE, &before);
  CAPTURE(finished.err);
  CHECK(finished.exit_code == 1);
  CHECK(Contains(finished.err, "cannot write " + model));
  CHECK(Contains(finished.err, "make room there"));
  CHECK(Listing(folder.path()) == "text ");
}

}  // namespace
}  // namespace cllm::testing
