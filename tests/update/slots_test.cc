// Two slots: updates signed and not, and the power cut within every operation of an update.
#include <string>

#include "cllm/update.h"
#include "converter/export/sha256.h"
#include "converter/signature/seal.h"
#include "converter/update/diff.h"
#include "doctest/doctest.h"
#include "store/nor_flash.h"
#include "store/small_model.h"

namespace cllm {
namespace {

using testing::NorFlash;

constexpr uint32_t kUnit = 32, kBlock = 1024, kRecordBlocks = 2, kBlocks = 2 + 2 * 6;

std::string ModelOf(uint32_t seed) {
  return *WriteModelToString(testing::RandomCheckpoint(testing::StoredArchitecture(), seed), Dtype::kI8);
}

cllm_status Open(NorFlash& flash, cllm_slots* slots) {
  const cllm_flash functions = flash.Functions();
  return cllm_slots_open(&functions, kRecordBlocks, flash.bytes.data(), slots);
}

cllm_slots_info Describe(const cllm_slots& slots) {
  cllm_slots_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_slots_describe(&slots, &info) == CLLM_OK);
  return info;
}

std::string FileIn(const cllm_slots& slots) {
  const cllm_slots_info info = Describe(slots);
  return {static_cast<const char*>(info.file), info.bytes};
}

cllm_status Update(cllm_slots* slots, const std::string& patch, const uint8_t* key = nullptr) {
  cllm_status status = cllm_slots_begin(slots, key);
  for (size_t at = 0; at < patch.size() && status == CLLM_OK; at += 333) {
    const std::string piece = patch.substr(at, 333);
    status = cllm_slots_write(slots, piece.data(), static_cast<uint32_t>(piece.size()));
  }
  return status == CLLM_OK ? cllm_slots_commit(slots) : status;
}

TEST_CASE("a first file, then patches from slot to slot") {
  NorFlash flash(kUnit, kBlock, kBlocks, 0x00);
  cllm_slots slots;
  REQUIRE(Open(flash, &slots) == CLLM_OK);
  CHECK(Describe(slots).file == nullptr);
  std::string before;
  for (uint32_t n = 1; n <= 5; ++n) {
    CAPTURE(n);
    const std::string file = ModelOf(n);
    REQUIRE(file.size() <= Describe(slots).most_bytes);
    REQUIRE(Update(&slots, MakePatch(before, file)) == CLLM_OK);
    CHECK(Describe(slots).slot == n % 2);
    CHECK(Describe(slots).sequence == n);
    CHECK(FileIn(slots) == file);
    CHECK(std::memcmp(Describe(slots).digest, Sha256(file).data(), 32) == 0);
    if (n == 3) REQUIRE(Open(flash, &slots) == CLLM_OK);
    before = file;
  }
  CHECK_FALSE(flash.misused);
}

TEST_CASE("what is refused leaves the file that counts") {
  NorFlash flash(kUnit, kBlock, kBlocks);
  cllm_slots slots;
  REQUIRE(Open(flash, &slots) == CLLM_OK);
  const std::string first = ModelOf(1), second = ModelOf(2);
  REQUIRE(Update(&slots, MakePatch("", first)) == CLLM_OK);
  const std::string good = MakePatch(first, second);
  const auto refused = [&](const std::string& patch, cllm_status status, const uint8_t* key = nullptr) {
    CHECK(Update(&slots, patch, key) == status);
    CHECK(FileIn(slots) == first);
    cllm_slots opened;
    REQUIRE(Open(flash, &opened) == CLLM_OK);
    CHECK(FileIn(opened) == first);
  };
  refused(MakePatch(second, first), CLLM_PATCH_BASE);
  refused(good.substr(0, good.size() - 1), CLLM_PATCH_TRUNCATED);
  std::string changed = good;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  refused(changed, CLLM_PATCH_DAMAGED);
  refused(MakePatch(first, std::string(Describe(slots).most_bytes + 1, 'x')), CLLM_STORE_RANGE);
  refused(MakePatch(first, std::string(100, 'x')), CLLM_FILE_NOT_CLLM);
  const uint8_t key[32] = {1};
  refused(good, CLLM_SIGNATURE_MISSING, key);
  CHECK(cllm_slots_write(&slots, good.data(), 1) == CLLM_STORE_RANGE);
  CHECK(cllm_slots_commit(&slots) == CLLM_STORE_RANGE);
  CHECK(Update(&slots, good) == CLLM_OK);
  const cllm_flash functions = flash.Functions();
  CHECK(cllm_slots_open(&functions, 1, flash.bytes.data(), &slots) == CLLM_STORE_GEOMETRY);
  CHECK(cllm_slots_open(&functions, kBlocks - 1, flash.bytes.data(), &slots) == CLLM_STORE_GEOMETRY);
  CHECK(cllm_slots_open(&functions, 2, flash.bytes.data() + 1, &slots) == CLLM_MISALIGNED);
}

TEST_CASE("a power cut within every operation of an update: the old file or the new one, whole") {
  const std::string first = ModelOf(1), second = ModelOf(2);
  NorFlash ready(kUnit, kBlock, kBlocks);
  cllm_slots slots;
  REQUIRE(Open(ready, &slots) == CLLM_OK);
  REQUIRE(Update(&slots, MakePatch("", first)) == CLLM_OK);
  REQUIRE(Update(&slots, MakePatch(first, second)) == CLLM_OK);  // so that both slots were written
  const std::string third = ModelOf(3), patch = MakePatch(second, third);
  const uint64_t done = ready.operations;
  NorFlash whole = ready;
  REQUIRE(Open(whole, &slots) == CLLM_OK);
  REQUIRE(Update(&slots, patch) == CLLM_OK);
  size_t cuts = 0, newer = 0;
  for (uint64_t operation = 0; operation < whole.operations - done; ++operation) {
    const uint32_t length = whole.lengths[done + operation];
    for (uint32_t part = 0; part <= (length > 0 ? length - 1 : 2); part += length > 0 ? 17 : 1) {
      NorFlash flash = ready;
      REQUIRE(Open(flash, &slots) == CLLM_OK);
      flash.CutAt(operation, part, static_cast<uint32_t>(operation) + part);
      REQUIRE(Update(&slots, patch) != CLLM_OK);
      REQUIRE(flash.is_off);
      flash.PowerUp();
      cllm_slots after;
      REQUIRE(Open(flash, &after) == CLLM_OK);
      const std::string found = FileIn(after);
      REQUIRE((found == second || found == third));
      newer += found == third ? 1 : 0;
      if (found == second) REQUIRE(Update(&after, patch) == CLLM_OK);
      REQUIRE(FileIn(after) == third);
      REQUIRE(!flash.misused);
      ++cuts;
    }
  }
  MESSAGE(cuts << " cuts, " << newer << " found the update that was being recorded");
  CHECK(cuts > 100);
}

#ifdef CLLM_HAS_SODIUM
TEST_CASE("with a key only its owner's files count") {
  NorFlash flash(kUnit, kBlock, 2 + 2 * 10);
  cllm_slots slots;
  REQUIRE(Open(flash, &slots) == CLLM_OK);
  const auto key = PrivateKey::FromSeed({1}), other = PrivateKey::FromSeed({2});
  const auto signed_by = [](const PrivateKey& owner, uint32_t seed) {
    const auto model = ModelFile::FromBytes(ModelOf(seed), "model");
    const auto sign = [&owner](std::string_view message) { return owner.Sign(message); };
    return *SignedToString(*model, {owner.public_key(), sign}, 1024);
  };
  const std::string first = signed_by(*key, 1), second = signed_by(*key, 2);
  const uint8_t* trusted = key->public_key().data();
  REQUIRE(Update(&slots, MakePatch("", first), trusted) == CLLM_OK);
  CHECK(Update(&slots, MakePatch(first, signed_by(*other, 2)), trusted) == CLLM_SIGNATURE_KEY);
  std::string changed = second;
  changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
  CHECK(Update(&slots, MakePatch(first, changed), trusted) == CLLM_BLOCK_DAMAGED);
  CHECK(FileIn(slots) == first);
  CHECK(Update(&slots, MakePatch(first, second), trusted) == CLLM_OK);
  CHECK(FileIn(slots) == second);
}
#endif

}  // namespace
}  // namespace cllm
