// What `cllm train` leaves to look at: a report, event files.
#include <doctest/doctest.h>

#include <filesystem>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

std::string Stories() {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "The fox & the owl <" + std::to_string(i % 40) + ">.\n\n";
  return text;
}

TEST_CASE("a report and TensorBoard's events of a run") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", report = folder.path() + "/report.html";
  const std::string events = folder.path() + "/events";
  WriteBytes(text, Stories());
  for (const char* documents : {"paragraphs", "whole"}) {
    CAPTURE(documents);
    std::vector<std::string> arguments = {
        "train",    "--data",   text,      "-o",          folder.path() + "/m.cllm",
        "--config", "82k",      "--steps", "8",           "--evaluate-every",
        "2",        "--report", report,    "--documents", documents};
    const Finished without = RunProgram({"train", "--data", text, "-o", folder.path() + "/x.cllm",
                                         "--tensorboard", events, "--config", "82k", "--steps", "1"});
    const bool has_protobuf = without.exit_code == 0;
    if (has_protobuf) arguments.insert(arguments.end(), {"--tensorboard", events});
    if (!has_protobuf) CHECK(Contains(without.err, "without protobuf"));
    const Finished finished = RunProgram(arguments);
    CAPTURE(finished.err);
    REQUIRE(finished.exit_code == 0);
    CHECK(Contains(finished.err, report));
    const std::string page = ReadBytes(report);
    for (const char* part : {"<svg ", "validation", "Learning rate", "<td>parameters</td>", "bytes of room",
                             "batches of 16 x 128", "m.cllm", "<pre>", "</html>"}) {
      CAPTURE(part);
      CHECK(Contains(page, part));
    }
    CHECK_FALSE(Contains(page, "(no text:"));
    if (has_protobuf) {
      CHECK(
          Contains(ReadBytes(std::filesystem::directory_iterator(events)->path().string()), "loss/training"));
    }
  }
  const Finished refused = RunProgram({"train", "--data", text, "-o", folder.path() + "/m.cllm", "--report",
                                       folder.path() + "/no/report.html"});
  CHECK(refused.exit_code == 1);
  CHECK(Contains(refused.err, "--report: "));
}

}  // namespace
}  // namespace cllm::testing
