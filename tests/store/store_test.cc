// The store: power cuts within every operation, wear, and what it refuses.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "converter/export/sha256.h"
#include "store/nor_flash.h"

namespace cllm {
namespace {

using testing::NorFlash;

cllm_store Open(NorFlash& flash) {
  cllm_store store;
  const cllm_flash functions = flash.Functions();
  REQUIRE(cllm_store_open(&functions, &store) == CLLM_OK);
  return store;
}

cllm_store_info Describe(const cllm_store& store) {
  cllm_store_info info = {};
  info.struct_size = sizeof(info);
  REQUIRE(cllm_store_describe(&store, &info) == CLLM_OK);
  return info;
}

// Content number n, of `bytes` bytes.
std::string ContentOf(uint64_t n, uint32_t bytes) {
  std::mt19937 random(static_cast<uint32_t>(n));
  std::string content(bytes, '\0');
  for (char& c : content) c = static_cast<char>(random());
  return content;
}

// Commits a content in pieces of any size.
cllm_status Commit(cllm_store* store, const std::string& content) {
  cllm_status status = cllm_store_begin(store, static_cast<uint32_t>(content.size()));
  for (size_t at = 0, piece = 1; at < content.size() && status == CLLM_OK;
       at += piece, piece = piece * 3 % 701) {
    piece = std::min(piece, content.size() - at);
    status = cllm_store_write(store, content.data() + at, static_cast<uint32_t>(piece));
  }
  return status == CLLM_OK ? cllm_store_commit(store) : status;
}

std::string Read(const cllm_store& store) {
  std::string content(Describe(store).bytes, '\0');
  const auto half = static_cast<uint32_t>(content.size() / 2),
             rest = static_cast<uint32_t>(content.size()) - half;
  REQUIRE(cllm_store_read(&store, 0, content.data(), half) == CLLM_OK);
  REQUIRE(cllm_store_read(&store, half, content.data() + half, rest) == CLLM_OK);
  return content;
}

struct Geometry {
  uint32_t unit, block, blocks;
};
// A byte at a time; words; an STM32H7's flash words; an RP2040's pages in 512-byte blocks.
constexpr Geometry kGeometries[] = {{1, 512, 5}, {4, 512, 6}, {32, 544, 6}, {256, 768, 8}};

constexpr uint32_t kSizes[] = {700, 40, 0, 451, 900};

// Commits contents `from` .. of kSizes until the power goes; returns how many commits returned.
uint64_t CommitUntilCut(NorFlash* flash, uint64_t from) {
  cllm_store store = Open(*flash);
  for (uint64_t n = from; n <= std::size(kSizes); ++n) {
    const cllm_status status = Commit(&store, ContentOf(n, kSizes[n - 1]));
    if (flash->is_off) return n - 1;
    REQUIRE(status == CLLM_OK);
    REQUIRE(Describe(store).sequence == n);
  }
  return std::size(kSizes);
}

// That the store, opened anew, holds content `committed` or the next, and nothing else. Returns which.
uint64_t CheckAfterCut(NorFlash* flash, uint64_t committed) {
  flash->PowerUp();
  const cllm_store store = Open(*flash);
  const uint64_t found = Describe(store).sequence;
  REQUIRE((found == committed || found == committed + 1));
  if (found > 0) REQUIRE(Read(store) == ContentOf(found, kSizes[found - 1]));
  REQUIRE(!flash->misused);
  return found;
}

TEST_CASE(
    "a power cut within every operation, torn at every byte: the last content or the one that was "
    "committed") {
  size_t cuts = 0, newer = 0;
  for (const auto& [unit, block, blocks] : kGeometries) {
    CAPTURE(unit);
    NorFlash whole(unit, block, blocks);
    REQUIRE(CommitUntilCut(&whole, 1) == std::size(kSizes));
    for (uint32_t operation = 0; operation < whole.operations; ++operation) {
      const uint32_t length = whole.lengths[operation];
      for (uint32_t part = 0; part <= (length > 0 ? length - 1 : 2);
           part += length > 64 && part >= 40 ? 13 : 1) {
        NorFlash flash(unit, block, blocks, 0x00);  // used before, by something else
        flash.CutAt(operation, part, operation + part);
        const uint64_t committed = CommitUntilCut(&flash, 1);
        REQUIRE(flash.is_off);
        const uint64_t found = CheckAfterCut(&flash, committed);
        newer += found > committed ? 1 : 0;
        REQUIRE(CommitUntilCut(&flash, found + 1) == std::size(kSizes));
        REQUIRE(CheckAfterCut(&flash, std::size(kSizes)) == std::size(kSizes));
        ++cuts;
      }
    }
  }
  MESSAGE(cuts << " cuts, " << newer << " found the content whose commit was cut");
  CHECK(cuts > 2000);
}

TEST_CASE("cuts one after another, on the way back from a cut as well") {
  std::mt19937 random(5);
  size_t cuts = 0;
  for (int trial = 0; trial < 300; ++trial) {
    const Geometry& g = kGeometries[trial % 4];
    NorFlash flash(g.unit, g.block, g.blocks);
    for (uint64_t committed = 0; committed < std::size(kSizes);) {
      flash.CutAt(random() % 30, random() % 100, random());
      committed = CheckAfterCut(&flash, std::max(committed, CommitUntilCut(&flash, committed + 1)));
      ++cuts;
    }
  }
  CHECK(cuts > 500);
}

TEST_CASE("all blocks wear alike") {
  for (const auto& [unit, block, blocks] : kGeometries) {
    NorFlash flash(unit, block, blocks);
    cllm_store store = Open(flash);
    const uint32_t most = Describe(store).most_bytes;
    std::mt19937 random(7);
    for (uint64_t n = 1; n <= 500; ++n) {
      const std::string content = ContentOf(n, random() % (most + 1));
      REQUIRE(Commit(&store, content) == CLLM_OK);
      if (n % 50 == 0) store = Open(flash);
    }
    const auto [least, highest] = std::minmax_element(flash.erasures.begin(), flash.erasures.end());
    CHECK(*highest - *least <= 1);
    CHECK(!flash.misused);

    // With the power cut in every fourth content.
    for (uint64_t n = 0; n < 500; ++n) {
      if (n % 4 == 0) flash.CutAt(random() % 20, random() % 64, random());
      const std::string content = ContentOf(n, random() % (most + 1));
      Commit(&store, content);
      flash.PowerUp();
      store = Open(flash);
    }
    const auto [low, high] = std::minmax_element(flash.erasures.begin(), flash.erasures.end());
    MESSAGE("unit " << unit << ": each block was erased " << *low << " to " << *high << " times");
    CHECK(*high < *low * 5 / 4);
  }
}

TEST_CASE("any bytes are a region: random ones, and contents that look like a store's own blocks") {
  std::mt19937 random(9);
  for (int trial = 0; trial < 50; ++trial) {
    NorFlash flash(4, 512, 6, 0x00);
    for (uint8_t& byte : flash.bytes) byte = static_cast<uint8_t>(random());
    CHECK(Describe(Open(flash)).sequence == 0);
  }
  // Blocks of a store with a higher sequence, head for head, within a content.
  NorFlash source(4, 512, 6), flash(4, 512, 6);
  cllm_store from = Open(source), store = Open(flash);
  for (uint64_t n = 1; n <= 9; ++n) REQUIRE(Commit(&from, ContentOf(n, 30)) == CLLM_OK);
  const uint32_t most = Describe(store).most_bytes;
  for (uint32_t shift = 0; shift < 64; ++shift) {
    const std::string content(source.bytes.begin() + 488 + shift, source.bytes.begin() + 488 + shift + most);
    REQUIRE(Commit(&store, content) == CLLM_OK);
    store = Open(flash);
    CHECK(Describe(store).sequence == shift + 1);
    CHECK(Read(store) == content);
  }
  // A changed byte anywhere in the last content brings back the one before.
  const uint64_t sequence = Describe(store).sequence;
  const uint32_t first = Describe(store).first_block;
  const std::string before = ContentOf(1, 200);
  REQUIRE(Commit(&store, before) == CLLM_OK);
  const auto image = flash.bytes;
  for (size_t at = 0; at < 24 + 200 + 32; ++at) {
    flash.bytes = image;
    flash.bytes[size_t{Describe(store).first_block} * 512 + at] ^= 0x10;
    CHECK(Describe(Open(flash)).sequence == sequence);
    CHECK(Describe(Open(flash)).first_block == first);
  }
}

TEST_CASE("limits, misuse and failing flash") {
  NorFlash flash(4, 512, 4);
  cllm_store store = Open(flash);
  cllm_flash functions = flash.Functions();
  const auto opened = [&](uint32_t unit, uint32_t block, uint32_t blocks) {
    functions.unit_bytes = unit;
    functions.block_bytes = block;
    functions.blocks = blocks;
    return cllm_store_open(&functions, &store);
  };
  CHECK(opened(3, 512, 4) == CLLM_STORE_GEOMETRY);
  CHECK(opened(512, 1024, 4) == CLLM_STORE_GEOMETRY);
  CHECK(opened(4, 508, 4) == CLLM_STORE_GEOMETRY);
  CHECK(opened(4, 514, 4) == CLLM_STORE_GEOMETRY);
  CHECK(opened(4, 512, 1) == CLLM_STORE_GEOMETRY);
  CHECK(opened(4, 1u << 30, 4) == CLLM_STORE_GEOMETRY);
  REQUIRE(opened(4, 512, 4) == CLLM_OK);

  char bytes[8] = {};
  CHECK(Describe(store).most_bytes == 2 * 488 - 32);
  CHECK(cllm_store_read(&store, 0, bytes, 0) == CLLM_STORE_RANGE);
  CHECK(cllm_store_write(&store, bytes, 1) == CLLM_STORE_RANGE);
  CHECK(cllm_store_commit(&store) == CLLM_STORE_RANGE);
  CHECK(cllm_store_begin(&store, 4 * 488 - 31) == CLLM_STORE_RANGE);
  REQUIRE(Commit(&store, ContentOf(1, 3 * 488 - 32)) == CLLM_OK);
  CHECK(cllm_store_begin(&store, 488 - 31) == CLLM_STORE_RANGE);
  CHECK(cllm_store_begin(&store, UINT32_MAX) == CLLM_STORE_RANGE);
  CHECK(cllm_store_begin(&store, 5) == CLLM_OK);
  CHECK(cllm_store_write(&store, bytes, 6) == CLLM_STORE_RANGE);
  CHECK(cllm_store_write(&store, bytes, 4) == CLLM_OK);
  CHECK(cllm_store_commit(&store) == CLLM_STORE_RANGE);
  CHECK(Read(store) == ContentOf(1, 3 * 488 - 32));
  CHECK(cllm_store_read(&store, 3 * 488 - 32, bytes, 0) == CLLM_OK);
  CHECK(cllm_store_read(&store, 3 * 488 - 33, bytes, 2) == CLLM_STORE_RANGE);
  CHECK(cllm_store_write(&store, bytes, 1) == CLLM_OK);
  REQUIRE(cllm_store_commit(&store) == CLLM_OK);

  const std::string head("\x02\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0", 17);
  CHECK(std::memcmp(Describe(store).digest, Sha256(head).data(), 32) == 0);
  flash.CutAt(1, 0, 0);
  CHECK(Commit(&store, "abc") == CLLM_STORE_FLASH);
  CHECK(cllm_store_write(&store, bytes, 1) == CLLM_STORE_RANGE);
  CHECK(cllm_store_read(&store, 0, bytes, 5) == CLLM_STORE_FLASH);
  CHECK(cllm_store_open(&functions, &store) == CLLM_STORE_FLASH);
}

}  // namespace
}  // namespace cllm
