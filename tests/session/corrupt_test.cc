// No trust in bytes: a file whose head was changed is refused, or runs within its bounds. The address
// sanitizer build is what gives this test its teeth.
#include <doctest/doctest.h>

#include <cstring>

#include "support/random_model.h"
#include "tests/support/rounds.h"

namespace cllm {
namespace {

using testing::GuardedRoom;
using testing::Limits;
using testing::MakeModel;
using testing::RandomCheckpoint;

std::string SmallFile(Dtype format) {
  Architecture a;
  a.vocabulary_size = 18;
  a.context = 40;
  a.width = 20;
  a.layers = 2;
  a.heads = 4;
  a.kv_heads = 2;
  a.head_size = 6;
  a.hidden = 12;
  return *WriteModelToString(RandomCheckpoint(a, 5), format);
}

// Opens and, if that works, runs every part that reads the file.
bool RunsWithinBounds(const std::string& bytes) {
  GuardedRoom copy(bytes.size());
  std::memcpy(copy.data(), bytes.data(), bytes.size());
  cllm_model model;
  if (cllm_model_open(copy.data(), copy.bytes(), &model) != CLLM_OK) return false;
  cllm_model_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_model_describe(&model, &info) == CLLM_OK);
  cllm_limits limits = Limits(std::min(info.context, 20u), 3);
  limits.batch = std::min(limits.batch, limits.context);
  uint64_t bytes_needed = 0;
  REQUIRE(cllm_session_measure(&model, &limits, &bytes_needed) == CLLM_OK);
  GuardedRoom room(bytes_needed);
  cllm_session* session = nullptr;
  REQUIRE(cllm_session_create(&model, &limits, nullptr, room.data(), room.bytes(), &session) == CLLM_OK);
  const cllm_sampling sampling = {sizeof(cllm_sampling), 1.0f, 5, 0.9f, 0.0f, 1.2f, 0, 1};
  uint32_t token = info.vocabulary_size - 1;
  for (uint32_t i = 0; i < limits.context; ++i) {
    CHECK(cllm_session_feed(session, &token, 1) == CLLM_OK);
    CHECK(cllm_session_next(session, &sampling, &token) == CLLM_OK);
    CHECK(token < info.vocabulary_size);
  }
  CHECK(room.GuardsIntact());
  return true;
}

constexpr Dtype kFormats[] = {Dtype::kF32, Dtype::kBf16, Dtype::kI8, Dtype::kI4, Dtype::kLattice3};

TEST_CASE("any byte of the head changed: refused, or runs within bounds") {
  for (const Dtype format : kFormats) {
    const std::string file = SmallFile(format);
    REQUIRE(RunsWithinBounds(file));
    uint32_t head = 0;
    std::memcpy(&head, file.data(), sizeof(head));
    int refused = 0;
    for (size_t i = 0; i < head + 4; ++i) {
      for (const int change : {1, 0x80, 0xFF}) {
        std::string changed = file;
        changed[i] = static_cast<char>(changed[i] ^ change);
        refused += RunsWithinBounds(changed) ? 0 : 1;
      }
    }
    CHECK(refused > 0);
  }
}

TEST_CASE("wild weights run within bounds") {
  std::mt19937 random(9);
  for (int trial = 0; trial < testing::Rounds(200); ++trial) {
    std::string file = SmallFile(kFormats[trial % 5]);
    uint32_t head = 0;
    std::memcpy(&head, file.data(), sizeof(head));
    const size_t first = head + 4;
    for (int i = 0; i < 1 << trial % 12; ++i) {
      file[first + random() % (file.size() - first)] = static_cast<char>(random() % 3 ? random() : 0xFF);
    }
    CHECK(RunsWithinBounds(file));
  }
}

TEST_CASE("a file cut at any length is refused") {
  const std::string file = SmallFile(Dtype::kI8);
  for (size_t size = 0; size < file.size(); ++size) CHECK(!RunsWithinBounds(file.substr(0, size)));
}

}  // namespace
}  // namespace cllm
