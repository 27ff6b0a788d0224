// Patches: every pair of files comes out as it should, in pieces of any size; what must fail does.
#include "update/patch.h"

#include <cstring>
#include <map>
#include <random>
#include <string>

#include "converter/update/diff.h"
#include "doctest/doctest.h"
#include "support/small_file.h"
#include "update/apply.h"

namespace cllm {
namespace {

using testing::Apply;
using testing::SmallFile;

std::string RandomBytes(std::mt19937& random, size_t count) {
  std::string bytes(count, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST_CASE("a round trip of files that share everything, something, nothing") {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const std::string before = RandomBytes(random, random() % 3000);
    std::string after = before.substr(before.size() / 3) + RandomBytes(random, random() % 100) + before;
    for (uint32_t i = random() % 30; i > 0; --i) after[random() % after.size()] ^= 1;
    if (trial % 10 == 0) after = RandomBytes(random, 500);
    if (after.empty()) after = "x";
    const std::string patch = MakePatch(before, after);
    for (const size_t piece : {1, 7, 100000}) {
      std::string made;
      REQUIRE(Apply(before, patch, piece, &made) == CLLM_OK);
      REQUIRE(made == after);
    }
  }
}

TEST_CASE("patches of models are small where models share bytes") {
  const std::string before = SmallFile(Dtype::kI8);
  Checkpoint checkpoint = testing::SmallCheckpoint();
  checkpoint.provenance.source =
      "another text, which is longer and moves all segments to other places in the file";
  const std::string moved = *WriteModelToString(checkpoint, Dtype::kI8);
  CHECK(MakePatch(before, before).size() < 300);
  CHECK(MakePatch(before, moved).size() < 1500);
  // Weights that are a little different, as after some more training.
  std::mt19937 random(2);
  for (auto& [key, tensor] : checkpoint.tensors) {
    for (float& value : tensor.values) value += random() % 20 == 0 ? 0.02f : 0.0f;
  }
  const std::string trained = *WriteModelToString(checkpoint, Dtype::kI8);
  const std::string patch = MakePatch(before, trained);
  MESSAGE("patch of " << trained.size() << " bytes with changed weights: " << patch.size());
  CHECK(patch.size() < trained.size() / 2);
  CHECK(*ApplyPatch(before, patch, "patch") == trained);
  CHECK(*ApplyPatch("", MakePatch("", trained), "patch") == trained);
}

TEST_CASE("patches that must fail, each with its status") {
  std::mt19937 random(3);
  const std::string before = RandomBytes(random, 500), after = before.substr(100) + RandomBytes(random, 50);
  const std::string good = MakePatch(before, after);
  std::string made;
  const auto with = [&](size_t at, int value) {
    std::string changed = good;
    changed[at] = static_cast<char>(value);
    return Apply(before, changed, 1000, &made);
  };
  CHECK(Apply(before, good, 1000, &made) == CLLM_OK);
  CHECK(Apply(after, good, 1000, &made) == CLLM_PATCH_BASE);
  CHECK(Apply("", good, 1000, &made) == CLLM_PATCH_BASE);
  CHECK(Apply(before, "", 1000, &made) == CLLM_PATCH_TRUNCATED);
  CHECK(Apply(before, good.substr(0, 95), 1000, &made) == CLLM_PATCH_TRUNCATED);
  CHECK(Apply(before, good.substr(0, good.size() - 1), 1000, &made) == CLLM_PATCH_TRUNCATED);
  CHECK(Apply(before, good + "x", 1000, &made) == CLLM_PATCH_DAMAGED);
  CHECK(with(0, 'X') == CLLM_PATCH_NOT_PATCH);
  CHECK(with(4, 2) == CLLM_PATCH_VERSION);
  CHECK(with(8, 0) == CLLM_PATCH_DAMAGED);
  CHECK(with(16, good[16] ^ 1) == CLLM_PATCH_BASE);
  CHECK(with(24, good[24] ^ 1) == CLLM_PATCH_DAMAGED);
  CHECK(with(40, good[40] ^ 1) == CLLM_PATCH_BASE);
  CHECK(with(70, good[70] ^ 1) == CLLM_PATCH_DAMAGED);
  // Operations by hand over an old file of 10 bytes, for a new one of 4.
  const auto by_hand = [&](std::string operations) {
    std::string patch = MakePatch("0123456789", "0123").substr(0, sizeof(PatchHead));
    const uint64_t bytes = sizeof(PatchHead) + operations.size();
    std::memcpy(patch.data() + 8, &bytes, sizeof(bytes));
    return Apply("0123456789", patch + operations, 1000, &made);
  };
  CHECK(by_hand({9, 0, 4}) == CLLM_OK);
  CHECK(by_hand({9, 14, 4}) == CLLM_PATCH_DAMAGED);               // beyond the old file
  CHECK(by_hand({9, 1, 4}) == CLLM_PATCH_DAMAGED);                // before it
  CHECK(by_hand({9, 0, 5}) == CLLM_PATCH_DAMAGED);                // a run beyond its operation
  CHECK(by_hand({9, 0, 3, 2, 0, 0}) == CLLM_PATCH_DAMAGED);       // likewise of changes
  CHECK(by_hand({9, 0, 3, 0}) == CLLM_PATCH_DAMAGED);             // a run of no changes
  CHECK(by_hand({0}) == CLLM_PATCH_DAMAGED);                      // no bytes
  CHECK(by_hand({11, 0, 5}) == CLLM_PATCH_DAMAGED);               // more than the new file has
  CHECK(by_hand({7, 0, 3}) == CLLM_PATCH_DAMAGED);                // fewer
  CHECK(by_hand({8, '0', '1', '2', '4'}) == CLLM_PATCH_DAMAGED);  // another file
  CHECK(by_hand(std::string(10, '\xFF') + '\x01') == CLLM_PATCH_DAMAGED);
  CHECK(by_hand({9, 0}) == CLLM_PATCH_DAMAGED);  // ends within an operation
}

}  // namespace
}  // namespace cllm
