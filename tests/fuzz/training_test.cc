// Deterministic mutations of training checkpoints through the fuzzer's target; those that must fail.
#include <random>

#include "converter/train/training_state.h"
#include "doctest/doctest.h"
#include "fuzz/training_fuzzer.h"

namespace cllm {
namespace {

absl::Status Read(const std::string& bytes) {
  return testing::ReadTraining(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
}

// A good checkpoint with such a number in its head, which stays as long as it was.
std::string With(const std::string& name, const std::string& value) {
  std::string bytes = testing::GoodTraining(true);
  const size_t at = bytes.find("\"" + name + "\":") + name.size() + 3;
  const size_t end = bytes.find_first_of(",}", at);
  const size_t head = 1 + 8;
  uint64_t length = 0;
  for (int i = 8; i-- > 0;) length = length << 8 | static_cast<uint8_t>(bytes[head + static_cast<size_t>(i)]);
  length = length + value.size() - (end - at);
  for (size_t i = 0; i < 8; ++i) bytes[head + i] = static_cast<char>(length >> 8 * i);
  return bytes.substr(0, at) + value + bytes.substr(end);
}

TEST_CASE(
    "checkpoints that must fail: a head whose values are of other kinds or sizes, under a good digest") {
  REQUIRE(Read(testing::GoodTraining(false)).ok());
  REQUIRE(Read(testing::GoodTraining(true)).ok());
  CHECK(Read(With("step", "8")).ok());
  CHECK(
      Read('\1' + StateToBytes(TrainingState())).ok());  // no weights at all: nothing is copied from nowhere
  for (const char* name : {"step", "best_step", "floats", "second_floats", "average_floats", "best_floats"}) {
    for (const char* value : {"\"7\"", "null", "-1", "7.5", "1e300", "[7]", "18446744073709551615"}) {
      CAPTURE(name);
      CAPTURE(value);
      CHECK(absl::IsDataLoss(Read(With(name, value))));
    }
  }
  for (const char* name :
       {"seconds", "beta1_power", "beta2_power", "rate_factor", "first_loss", "best_loss"}) {
    for (const char* value : {"\"7\"", "null", "{}", "true", "1e999"}) {
      CAPTURE(name);
      CAPTURE(value);
      CHECK(absl::IsDataLoss(Read(With(name, value))));
    }
  }
  CHECK(absl::IsDataLoss(Read(With("step", "4294967296"))));
}

TEST_CASE("random changes of several bytes, sealed and not, and truncated") {
  std::mt19937 random(6);
  int taken = 0, refused = 0;
  for (int trial = 0; trial < 2000; ++trial) {
    std::string changed = testing::GoodTraining(trial % 8 != 0);
    const size_t range = trial % 3 == 0 ? changed.size() - 1 : 300;
    for (uint32_t i = 1 + random() % 4; i > 0; --i)
      changed[1 + random() % range] = static_cast<char>(random());
    if (trial % 32 == 0) changed.resize(random() % changed.size());
    ++(Read(changed).ok() ? taken : refused);
  }
  CHECK(taken > 50);
  CHECK(refused > 500);
}

}  // namespace
}  // namespace cllm
