#include <doctest/doctest.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "commands/program.h"
#include "support/file_tools.h"

namespace cllm::testing {
namespace {

constexpr char kShape[] = "82k";  // the smallest configuration

std::string Stories() {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    const char* names[] = {"Lily", "Tom", "Anna", "Ben", "Mia"};
    const char* things[] = {"ball", "dog", "tree", "boat"};
    text += std::string(names[i % 5]) + " had a " + things[i % 4] + ". " + names[i % 5] + " was happy.\n\n";
  }
  return text;
}

// The weights' digest from the last line of stderr.
std::string WeightsDigest(const Finished& finished) {
  const size_t at = finished.err.rfind("digest ");
  REQUIRE(at != std::string::npos);
  return finished.err.substr(at + 7, 64);
}

TEST_CASE("train, generate, quantize, eval") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  WriteBytes(text, Stories());
  for (const char* tokenizer : {"char", "bpe"}) {
    CAPTURE(tokenizer);
    std::vector<std::string> arguments = {"train",    "--data",      text,        "-o", model,
                                          "--config", kShape,        "--steps",   "30", "--tokenizer",
                                          tokenizer,  "--documents", "paragraphs"};
    if (tokenizer == std::string("bpe")) arguments.insert(arguments.end(), {"--vocab", "270"});
    const Finished trained = RunProgram(arguments);
    CAPTURE(trained.err);
    REQUIRE(trained.exit_code == 0);
    CHECK(trained.out.empty());
    CHECK(Contains(trained.err, "400 documents"));
    CHECK(Contains(trained.err, "validation loss "));
    const Finished story = RunProgram({"generate", model, "--tokens", "20"});
    CHECK(story.exit_code == 0);
    CHECK(story.out.back() == '\n');
    const std::string small = folder.path() + "/m8.cllm";
    REQUIRE(RunProgram({"quantize", model, "--format", "int8", "-o", small}).exit_code == 0);
    const Finished loss = RunProgram({"eval", small, "--data", text, "--json"});
    REQUIRE(loss.exit_code == 0);
    const double bits = nlohmann::json::parse(loss.out)["bits_per_byte"];
    CHECK(bits > 0);
    CHECK(bits < 6);  // 30 steps suffice to leave the 8 of an untrained model behind
  }
  CHECK(Listing(folder.path()) == "m.cllm m8.cllm text ");
}

TEST_CASE("every small configuration trains with its own defaults") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  std::string words;  // enough of them for any vocabulary
  for (int i = 0; i < 30000; ++i) words += std::to_string(i * 7919 % 5000) + (i % 13 == 12 ? "\n\n" : " ");
  WriteBytes(text, words);
  for (const char* name : {"nano", "small", "quickstart", "82k", "260k", "510k"}) {
    CAPTURE(name);
    const Finished finished =
        RunProgram({"train", "--data", text, "-o", model, "--config", name, "--steps", "1"});
    CAPTURE(finished.err);
    CHECK(finished.exit_code == 0);
  }
}

TEST_CASE("a shape of one's own") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  WriteBytes(text, Stories());
  const auto train = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "--data",  text, "-o",          model, "--config",
                                          kShape,  "--steps", "2",  "--tokenizer", "char"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  };
  // 64 wide in 4 heads, hidden 96: heads keep their size, hidden units the proportion.
  REQUIRE(train({"--layers", "3", "--width", "96", "--context", "40"}).exit_code == 0);
  const std::string wider = RunProgram({"inspect", model}).out;
  CAPTURE(wider);
  CHECK(Contains(wider, "3 layers, 96 wide, 6 heads of 16 (6 for keys and values), hidden 128"));
  CHECK(Contains(wider, "context       40 tokens"));
  CHECK(Contains(wider, "\"layers\":3,\"width\":96,\"context\":40"));
  REQUIRE(train({"--heads", "8", "--kv-heads", "2", "--hidden", "48"}).exit_code == 0);
  CHECK(Contains(RunProgram({"inspect", model}).out,
                 "2 layers, 64 wide, 8 heads of 8 (2 for keys and values), hidden 48"));
  CHECK(Contains(train({"--heads", "3"}).err, "3 heads do not cut a width of 64"));
  CHECK(Contains(train({"--heads", "8", "--kv-heads", "3"}).err, "--kv-heads: 3"));
  CHECK(Contains(RunProgram({"train", "--data", text, "-o", model, "--init", model, "--layers", "3"}).err,
                 "leave --layers out"));
}

TEST_CASE("options change the architecture, and inspect shows it") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  WriteBytes(text, Stories());
  const std::vector<std::string> arguments = {"train",    "--data", text,      "-o", model,
                                              "--config", kShape,   "--steps", "2"};
  std::vector<std::string> with = arguments;
  with.insert(with.end(), {"--activation", "relu-squared", "--ungated", "--qk-norm", "--logit-softcap", "15",
                           "--zero-projections"});
  const Finished trained = RunProgram(with);
  CAPTURE(trained.err);
  REQUIRE(trained.exit_code == 0);
  CHECK(Contains(RunProgram({"inspect", model}).out, "squared ReLU"));
  const nlohmann::json config = nlohmann::json::parse(RunProgram({"inspect", model, "--json"}).out)["config"];
  CHECK(config["activation"] == "relu-squared");
  CHECK(config["gated"] == false);
  CHECK(config["query_key_norm"] == true);
  CHECK(config["logit_softcap"] == 15);
  CHECK(Contains(RunProgram({"inspect", model}).out, "norms of queries and keys, logits capped at 15"));
  CHECK(config["hidden"] == 144);
  // GGUF has no name for it.
  const Finished exported = RunProgram({"export", model, "--to", "gguf", "-o", folder.path() + "/m.gguf"});
  CHECK(exported.exit_code != 0);
  CHECK(Contains(exported.err, "squared ReLU"));
  // A batch norm is a scale and a shift in the file, and runs.
  std::vector<std::string> batch = arguments;
  batch.insert(batch.end(), {"--norm", "batch"});
  REQUIRE(RunProgram(batch).exit_code == 0);
  CHECK(Contains(RunProgram({"inspect", model}).out, "affine norm (epsilon 1e-05), SwiGLU"));
  CHECK(RunProgram({"generate", model, "--prompt", "Lily", "--tokens", "5"}).exit_code == 0);
  CHECK(RunProgram({"train", "--data", text, "-o", model, "--gated", "--ungated"}).exit_code == 2);
  // What a configuration has can be left out.
  std::vector<std::string> small = {"train",   "--data", text,      "-o", model,       "--config", "small",
                                    "--steps", "1",      "--batch", "1",  "--context", "16"};
  REQUIRE(RunProgram(small).exit_code == 0);
  CHECK(Contains(RunProgram({"inspect", model}).out, "norms of queries and keys"));
  small.push_back("--no-qk-norm");
  REQUIRE(RunProgram(small).exit_code == 0);
  CHECK(!Contains(RunProgram({"inspect", model}).out, "norms of queries and keys"));
  // A model brings its own.
  with.insert(with.end(), {"--init", model});
  const Finished refused = RunProgram(with);
  CHECK(refused.exit_code == 2);
  CHECK(Contains(refused.err, "leave --activation out"));
}

TEST_CASE("the same seed trains the same weights with any number of threads") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text";
  WriteBytes(text, Stories());
  const auto train = [&](const std::string& seed, const std::string& threads,
                         const std::string& precision = "float32") {
    const std::string model = folder.path() + "/" + seed + "-" + threads + precision;
    const Finished finished =
        RunProgram({"train", "--data", text, "-o", model, "--config", kShape, "--tokenizer", "char",
                    "--steps", "5", "--seed", seed, "--threads", threads, "--precision", precision});
    REQUIRE(finished.exit_code == 0);
    return WeightsDigest(finished) + ReadBytes(model);
  };
  const std::string one = train("1", "1");
  CHECK(train("1", "2") == one);
  CHECK(train("1", "3") == one);
  CHECK(train("2", "2") != one);
  const std::string mixed = train("1", "1", "bf16");
  CHECK(mixed != one);
  CHECK(train("1", "3", "bf16") == mixed);
}

TEST_CASE("data that cannot be trained on") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  const auto error = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train",   "--data", text,       "-o",  model,
                                          "--steps", "2",      "--config", kShape};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Finished finished = RunProgram(arguments);
    CHECK(finished.exit_code == 1);
    CHECK(finished.out.empty());
    CAPTURE(finished.err);
    CHECK_FALSE(std::filesystem::exists(model));
    return finished.err;
  };
  CHECK(Contains(error({"--tokenizer", "char"}), text));  // missing
  WriteBytes(text, "");
  CHECK(Contains(error({"--tokenizer", "char"}), "empty"));
  WriteBytes(text, "too short");
  CHECK(Contains(error({"--tokenizer", "char"}), "tokens"));
  WriteBytes(text, Stories());
  CHECK(Contains(error({"--tokenizer", "bpe", "--vocab", "60000"}), "--vocab"));
  std::filesystem::create_directory(folder.path() + "/empty");
  CHECK(Contains(error({"--data", folder.path() + "/empty"}), "there are no files in this folder"));
  std::filesystem::remove(folder.path() + "/empty");
  const Finished no_folder = RunProgram({"train", "--data", text, "-o", folder.path() + "/no/m.cllm"});
  CHECK(no_folder.exit_code == 1);
  CHECK(Contains(no_folder.err, folder.path() + "/no"));
  CHECK(Listing(folder.path()) == "text ");
}

TEST_CASE("an interrupted training writes what it has") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", model = folder.path() + "/m.cllm";
  WriteBytes(text, Stories());
  const Finished finished = InterruptProgram({"train", "--data", text, "-o", model, "--config", kShape,
                                              "--tokenizer", "char", "--steps", "100000000"},
                                             "step", SIGINT);
  CAPTURE(finished.err);
  CHECK(finished.exit_code == 130);
  CHECK(Contains(finished.err, "interrupted"));
  CHECK(Listing(folder.path()) == "m.cllm text ");
  CHECK(RunProgram({"inspect", model}).exit_code == 0);
}

TEST_CASE("a killed training goes on from its last checkpoint, to the same file") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", run = folder.path() + "/run";
  const std::string model = folder.path() + "/m.cllm";
  WriteBytes(text, Stories());
  const std::vector<std::string> arguments = {
      "train", "--precision", "bf16", "--batch",   "3",   "--accumulate", "2",    "--schedule",
      "wsd",   "--optimizer", "muon", "--dropout", "0.1", "--ema",        "0.9",  "--label-smoothing",
      "0.1",   "--data",      text,   "-o",        model, "--config",     kShape, "--steps",
      "60"};
  REQUIRE(RunProgram(arguments).exit_code == 0);
  const std::string expected = ReadBytes(model);
  std::filesystem::remove(model);

  std::vector<std::string> with_checkpoints = arguments;
  with_checkpoints.insert(with_checkpoints.end(), {"--checkpoint", run, "--every", "3", "--keep", "2"});
  // The first report comes after a second or at the end; the run is killed wherever it then is.
  const Finished killed = InterruptProgram(with_checkpoints, "step", SIGKILL);
  if (killed.exit_code != 0) CHECK(killed.exit_code == 128 + SIGKILL);
  std::filesystem::remove(model);
  // Damage the newest checkpoint: the one before is as good.
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    newest = std::max(newest, entry.path().string());
  }
  WriteBytes(newest, "damaged");
  const Finished resumed = RunProgram({"train", "--resume", run, "--threads", "2"});
  CAPTURE(resumed.err);
  REQUIRE(resumed.exit_code == 0);
  CHECK(Contains(resumed.err, "going back to an older checkpoint"));
  CHECK(Contains(resumed.err, newest));
  CHECK(Contains(resumed.err, "going on after step"));
  CHECK(ReadBytes(model) == expected);

  const Finished more = RunProgram({"train", "--resume", run, "--steps", "70"});
  CHECK(more.exit_code == 2);
  CHECK(Contains(more.err, "--steps stays what it was"));
  WriteBytes(text, Stories() + "more");
  const Finished changed = RunProgram({"train", "--resume", run});
  CHECK(changed.exit_code == 1);
  CHECK(Contains(changed.err, text));
  const Finished nothing = RunProgram({"train", "--resume", folder.path()});
  CHECK(nothing.exit_code == 1);
  CHECK(Contains(nothing.err, folder.path()));
}

TEST_CASE("training goes on from a model, with evaluations, patience and a log") {
  const TemporaryDirectory folder;
  const std::string text = folder.path() + "/text", base = folder.path() + "/base.cllm";
  const std::string model = folder.path() + "/m.cllm", log = folder.path() + "/log";
  WriteBytes(text, Stories());
  REQUIRE(RunProgram({"train", "--data", text, "-o", base, "--config", kShape, "--steps", "20"}).exit_code ==
          0);
  const std::vector<std::string> arguments = {"train", "--init",   base,   "--data",           text, "-o",
                                              model,   "--config", kShape, "--steps",          "12", "--rate",
                                              "0.001", "--log",    log,    "--evaluate-every", "4"};
  const Finished finished = RunProgram(arguments);
  CAPTURE(finished.err);
  REQUIRE(finished.exit_code == 0);
  std::istringstream lines(ReadBytes(log));
  std::vector<nlohmann::json> reports;
  for (std::string line; std::getline(lines, line);) reports.push_back(nlohmann::json::parse(line));
  REQUIRE(reports.size() >= 3);
  CHECK(reports.back()["step"] == 12);
  CHECK(reports.back()["validation_loss"].is_number());
  // What the base has learned is there from the first step on: an untrained model is at 3 nats.
  CHECK(reports.front()["loss"] < 2.9);
  CHECK(Contains(RunProgram({"inspect", model}).out, "starting from base.cllm"));
  std::vector<std::string> narrow = arguments;
  narrow.insert(narrow.end(), {"--quantize", "lattice2"});
  REQUIRE(RunProgram(narrow).exit_code == 0);
  CHECK(Contains(RunProgram({"inspect", model}).out, "lattice2 weights"));
  const auto rejected = [&](std::vector<std::string> more, const std::string& says) {
    more.insert(more.begin(), arguments.begin(), arguments.end());
    const Finished refused = RunProgram(more);
    CAPTURE(refused.err);
    CHECK(refused.exit_code == 2);
    CHECK(Contains(refused.err, says));
  };
  rejected({"--tokenizer", "char"}, "--init");
  rejected({"--schedule", "zigzag"}, "wsd");
  rejected({"--optimizer", "lion"}, "muon");
  rejected({"--momentum", "1"}, "--momentum");
  rejected({"--accumulate", "0"}, "--accumulate");
  const Finished impatient =
      RunProgram({"train", "--data", text, "-o", model, "--config", kShape, "--patience", "2"});
  CHECK(impatient.exit_code == 2);
  CHECK(Contains(impatient.err, "--evaluate-every"));
  // A character that the model does not know is an error.
  WriteBytes(text, Stories() + "\xE2\x82\xAC");
  CHECK(RunProgram(arguments).exit_code == 1);
}

}  // namespace
}  // namespace cllm::testing
