// A home that learns a household's names: everything after the model was shipped goes through the C API, as
// on a device.
//   home lines factory|household SEED COUNT          prints commands with their intents, one a line
//   home test MODEL DELTA|- factory|household SEED COUNT   answers commands, counts exact matches
//   home tune MODEL DELTA STEPS SEED                 fine-tunes on the household's names, writes the delta
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "cllm/cllm.h"
#include "examples/finetune/commands.h"

namespace {

using home::Command;
using home::MakeCommand;
using home::Names;

// The household gives its device names. Commands with them the device makes itself, in the words that the
// factory sent along, and twice as many with the factory's names, so that it does not forget; new ones in
// each step.
constexpr uint32_t kNewCommands = 16, kOldCommands = 32, kLength = 168, kAnswer = 100;

[[noreturn]] void Fail(const std::string& text) {
  std::fprintf(stderr, "home: %s\n", text.c_str());
  std::exit(1);
}

void Check(cllm_status status) {
  if (status != CLLM_OK) Fail(cllm_status_name(status));
}

// Bytes at a multiple of CLLM_ALIGNMENT.
class Block {
 public:
  explicit Block(uint64_t bytes)
      : data_(::operator new (bytes, std::align_val_t{CLLM_ALIGNMENT})), bytes_(bytes) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { ::operator delete (data_, std::align_val_t{CLLM_ALIGNMENT}); }
  void* data() { return data_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void* data_;
  uint64_t bytes_;
};

std::string ReadFile(const char* path) {
  FILE* file = std::fopen(path, "rb");
  if (file == nullptr) Fail(std::string("cannot read ") + path);
  std::string bytes;
  char part[65536];
  for (size_t count; (count = std::fread(part, 1, sizeof(part), file)) > 0;) bytes.append(part, count);
  std::fclose(file);
  return bytes;
}

// A model, with a delta over it unless that is "-".
class Model {
 public:
  Model(const char* path, const char* delta) : file_(ReadFile(path)), block_(file_.size()) {
    std::memcpy(block_.data(), file_.data(), file_.size());
    Check(cllm_model_open(block_.data(), file_.size(), &model_));
    info_.struct_size = sizeof(info_);
    Check(cllm_model_describe(&model_, &info_));
    if (std::strcmp(delta, "-") == 0) return;
    const std::string bytes = ReadFile(delta);
    delta_.reset(bytes.size());
    std::memcpy(delta_.get(), bytes.data(), bytes.size());
    Check(cllm_model_apply(&model_, delta_.get(), bytes.size(), &model_));
  }
  const cllm_model* get() const { return &model_; }
  const cllm_model_info& info() const { return info_; }

  std::vector<uint32_t> Encode(const std::string& text) const {
    uint64_t scratch_bytes = 0, count = 0;
    Check(cllm_tokens_encode_measure(&model_, text.size(), &scratch_bytes));
    Block scratch(scratch_bytes + 1);
    std::vector<uint32_t> tokens(text.size() + 1);
    Check(cllm_tokens_encode(&model_, text.data(), text.size(), scratch.data(), scratch.bytes(),
                             tokens.data(), tokens.size(), &count));
    tokens.resize(count);
    return tokens;
  }
  std::vector<uint32_t> Prompt(const std::string& said) const {
    std::vector<uint32_t> tokens = Encode(said);
    if (info_.begin_token != CLLM_NO_TOKEN) tokens.insert(tokens.begin(), info_.begin_token);
    return tokens;
  }

 private:
  struct Bytes {
    void reset(size_t size) { block = new Block(size); }
    void* get() { return block->data(); }
    ~Bytes() { delete block; }
    Block* block = nullptr;
  };
  std::string file_;
  Block block_;
  Bytes delta_;
  cllm_model model_{};
  cllm_model_info info_{};
};

std::string Answer(const Model& model, cllm_session* session, const std::string& said) {
  const std::vector<uint32_t> prompt = model.Prompt(said);
  Check(cllm_session_rewind(session, 0));
  Check(cllm_session_feed(session, prompt.data(), static_cast<uint32_t>(prompt.size())));
  std::string answer;
  uint32_t previous = prompt.back();
  for (uint32_t i = 0; i < kAnswer; ++i) {
    uint32_t token = 0, bytes = 0;
    const char* text = nullptr;
    Check(cllm_session_next(session, nullptr, &token));
    if (token == model.info().end_token || token == model.info().begin_token) break;
    Check(cllm_tokens_decode(model.get(), previous, token, &text, &bytes));
    answer.append(text, bytes);
    if (cllm_session_feed(session, &token, 1) != CLLM_OK) break;  // the context is full
    previous = token;
  }
  return answer;
}

void Test(const Model& model, Names names, uint64_t seed, uint64_t count) {
  uint64_t room_bytes = 0, right = 0;
  Check(cllm_session_measure(model.get(), nullptr, &room_bytes));
  Block room(room_bytes);
  cllm_session* session = nullptr;
  Check(cllm_session_create(model.get(), nullptr, nullptr, room.data(), room_bytes, &session));
  for (uint64_t i = 0; i < count; ++i) {
    const Command command = MakeCommand(names, seed, i);
    const std::string answer = Answer(model, session, command.said);
    right += answer == command.intent;
    if (i < 2) std::fprintf(stderr, "  %s%s\n", command.said.c_str(), answer.c_str());
  }
  std::printf("%.1f\n", 100.0 * static_cast<double>(right) / static_cast<double>(count));
}

struct Example {
  std::vector<uint32_t> inputs, targets;
  uint32_t counted = 0;
};

// Only the intent is learned.
Example MakeExample(const Model& model, const Command& command) {
  std::vector<uint32_t> tokens = model.Prompt(command.said);
  const size_t prompt = tokens.size();
  for (const uint32_t token : model.Encode(command.intent)) tokens.push_back(token);
  if (model.info().end_token != CLLM_NO_TOKEN) tokens.push_back(model.info().end_token);
  Example example;
  for (size_t t = 0; t + 1 < tokens.size() && t < kLength; ++t) {
    example.inputs.push_back(tokens[t]);
    example.targets.push_back(t + 1 >= prompt ? tokens[t + 1] : CLLM_NO_TOKEN);
    example.counted += t + 1 >= prompt;
  }
  return example;
}

void WriteDelta(const cllm_tuner* tuner, uint64_t bytes, const char* path) {
  FILE* file = std::fopen(path, "wb");
  if (file == nullptr) Fail(std::string("cannot write ") + path);
  char part[4096];  // as a device would write its flash, page by page
  for (uint64_t at = 0; at < bytes; at += sizeof(part)) {
    const uint64_t count = bytes - at < sizeof(part) ? bytes - at : sizeof(part);
    Check(cllm_tuner_export(tuner, at, part, count));
    if (std::fwrite(part, 1, count, file) != count) Fail(std::string("cannot write ") + path);
  }
  if (std::fclose(file) != 0) Fail(std::string("cannot write ") + path);
}

// A step's examples. Their seeds are none that `lines` and `test` are given.
std::vector<Example> MakeExamples(const Model& model, uint64_t seed, uint64_t step) {
  std::vector<Example> examples;
  for (uint64_t i = 0; i < kNewCommands; ++i) {
    examples.push_back(
        MakeExample(model, MakeCommand(Names::kHousehold, 1000 + seed, step * kNewCommands + i)));
  }
  for (uint64_t i = 0; i < kOldCommands; ++i) {
    examples.push_back(
        MakeExample(model, MakeCommand(Names::kFactory, 2000 + seed, step * kOldCommands + i)));
  }
  return examples;
}

void Tune(const Model& model, const char* path, uint32_t steps, uint64_t seed) {
  cllm_tuner_limits limits{};
  limits.struct_size = sizeof(limits);
  limits.length = kLength;
  limits.method = CLLM_ADAMW8;
  limits.adapted =
      CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_ATTENTION_OUTPUT | CLLM_TUNE_GATE_UP | CLLM_TUNE_DOWN;
  limits.rank = 8;
  limits.seed = seed;
  cllm_tuner_info info{};
  info.struct_size = sizeof(info);
  limits.room_bytes = 1;  // the smallest, as on a device
  if (cllm_tuner_measure(model.get(), &limits, &info) != CLLM_ROOM_TOO_SMALL) Fail("no measure");
  limits.room_bytes = info.room_bytes;
  Check(cllm_tuner_measure(model.get(), &limits, &info));
  Block room(info.room_bytes);
  cllm_tuner* tuner = nullptr;
  Check(cllm_tuner_create(model.get(), &limits, nullptr, room.data(), room.bytes(), &tuner));
  for (uint32_t step = 0; step < steps; ++step) {
    const std::vector<Example> examples = MakeExamples(model, seed, step);
    uint32_t counted = 0;
    float sum = 0;
    for (const Example& example : examples) counted += example.counted;
    for (const Example& example : examples) {
      float loss = 0;
      Check(cllm_tuner_accumulate(tuner, example.inputs.data(), example.targets.data(),
                                  static_cast<uint32_t>(example.inputs.size()),
                                  1.0f / static_cast<float>(counted), &loss));
      sum += loss;
    }
    const float rate = 0.02f * (1.0f - static_cast<float>(step) / static_cast<float>(steps));
    const cllm_optimizer optimizer = {sizeof(cllm_optimizer), 0.2f,         0.9f,        0.95f, 1e-8f, 0.9f,
                                      {rate, 0.0f},           {rate, 0.0f}, {rate, 0.0f}};
    Check(cllm_tuner_update(tuner, &optimizer, nullptr));
    if (step % 50 == 49)
      std::fprintf(stderr, "  step %u  loss %.4f\n", step + 1, sum / static_cast<float>(counted));
  }
  WriteDelta(tuner, info.delta_bytes, path);
  std::printf("%llu %llu\n", static_cast<unsigned long long>(info.room_bytes),
              static_cast<unsigned long long>(info.delta_bytes));
}

Names NamesOf(const char* text) {
  if (std::strcmp(text, "factory") == 0) return Names::kFactory;
  if (std::strcmp(text, "household") == 0) return Names::kHousehold;
  Fail("names are factory or household");
}

uint64_t Number(const char* text) { return std::strtoull(text, nullptr, 10); }

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "lines" && argc == 5) {
    for (uint64_t i = 0; i < Number(argv[4]); ++i) {
      const Command command = MakeCommand(NamesOf(argv[2]), Number(argv[3]), i);
      std::printf("%s%s\n", command.said.c_str(), command.intent.c_str());
    }
  } else if (what == "test" && argc == 7) {
    const Model model(argv[2], argv[3]);
    Test(model, NamesOf(argv[4]), Number(argv[5]), Number(argv[6]));
  } else if (what == "tune" && argc == 6) {
    const Model model(argv[2], "-");
    Tune(model, argv[3], static_cast<uint32_t>(Number(argv[4])), Number(argv[5]));
  } else {
    Fail(
        "lines factory|household SEED COUNT, test MODEL DELTA|- factory|household SEED COUNT, or\n"
        "      tune MODEL DELTA STEPS SEED");
  }
  return 0;
}
