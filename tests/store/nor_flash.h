// NOR flash as it is in the worst case: programming only clears bits, each unit once between two erasures,
// and a power cut may come within any operation.
#ifndef CLLM_TESTS_STORE_NOR_FLASH_H_
#define CLLM_TESTS_STORE_NOR_FLASH_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <vector>

#include "cllm/store.h"

namespace cllm::testing {

// Where a mapped region of flash may begin: at a multiple of 64.
template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {}  // NOLINT: allocators convert
  T* allocate(size_t count) {
    return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}));
  }
  void deallocate(T* at, size_t) { ::operator delete (at, std::align_val_t{64}); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

class NorFlash {
 public:
  NorFlash(uint32_t unit, uint32_t block, uint32_t blocks, uint8_t fill = 0xFF)
      : bytes(size_t{block} * blocks, fill), erasures(blocks), unit_(unit), block_(block) {
    programmed_.assign(bytes.size() / unit, fill != 0xFF);
  }

  cllm_flash Functions() {
    return {sizeof(cllm_flash), unit_, block_, static_cast<uint32_t>(erasures.size()), this, &Read,
            &Program,           &Erase};
  }

  // The power goes within operation number `operation` from now on, counting programs and erasures: after
  // `part` bytes of a program, the next byte getting a random half of its bits; within an erasure, which
  // leaves bits at random (part 0), the upper half of the block done (1) or the lower (2). All that follows
  // fails.
  void CutAt(uint64_t operation, uint32_t part, uint32_t seed) {
    cut_ = operations + operation;
    part_ = part;
    random_.seed(seed);
  }
  void PowerUp() {
    cut_ = UINT64_MAX;
    is_off = false;
  }

  std::vector<uint8_t, AlignedAllocator<uint8_t>> bytes;
  std::vector<uint32_t> erasures;  // of each block
  std::vector<uint32_t> lengths;   // of each operation: bytes programmed, 0 for an erasure
  uint64_t operations = 0;
  bool is_off = false;
  bool misused = false;  // a rule of store.h was broken

 private:
  static int Read(void* self, uint32_t at, void* to, uint32_t count) {
    auto& flash = *static_cast<NorFlash*>(self);
    if (flash.is_off) return -1;
    if (at > flash.bytes.size() || count > flash.bytes.size() - at) {
      flash.misused = true;
      return -1;
    }
    std::memcpy(to, flash.bytes.data() + at, count);
    return 0;
  }

  static int Program(void* self, uint32_t at, const void* from, uint32_t count) {
    auto& flash = *static_cast<NorFlash*>(self);
    if (flash.is_off) return -1;
    const uint32_t unit = flash.unit_;
    const bool inside = count > 0 && at / flash.block_ == (at + count - 1) / flash.block_ &&
                        uint64_t{at} + count <= flash.bytes.size();
    if (!inside || at % unit != 0 || count % unit != 0 || count > 256) flash.misused = true;
    if (flash.misused) return -1;
    const bool cut = flash.operations++ == flash.cut_;
    flash.lengths.push_back(count);
    const auto* data = static_cast<const uint8_t*>(from);
    for (uint32_t i = 0; i < count; ++i) {
      if (i % unit == 0) {
        flash.misused = flash.misused || flash.programmed_[(at + i) / unit];
        flash.programmed_[(at + i) / unit] = true;
      }
      if (cut && i == flash.part_) flash.bytes[at + i] &= data[i] | static_cast<uint8_t>(flash.random_());
      if (cut && i >= flash.part_) continue;
      flash.bytes[at + i] &= data[i];
    }
    flash.is_off = cut;
    return cut ? -1 : 0;
  }

  static int Erase(void* self, uint32_t block) {
    auto& flash = *static_cast<NorFlash*>(self);
    if (flash.is_off) return -1;
    if (block >= flash.erasures.size()) {
      flash.misused = true;
      return -1;
    }
    const bool cut = flash.operations++ == flash.cut_;
    flash.lengths.push_back(0);
    ++flash.erasures[block];
    for (uint32_t i = 0; i < flash.block_; ++i) {
      uint8_t& byte = flash.bytes[size_t{block} * flash.block_ + i];
      const bool upper = i >= flash.block_ / 2;
      if (!cut || (flash.part_ == 1 && upper) || (flash.part_ == 2 && !upper)) byte = 0xFF;
      if (cut && flash.part_ == 0) byte |= static_cast<uint8_t>(flash.random_());
    }
    // Whoever programs a block that was not erased to the end breaks the rules.
    const auto first = flash.programmed_.begin() + static_cast<int64_t>(block * (flash.block_ / flash.unit_));
    std::fill(first, first + flash.block_ / flash.unit_, cut);
    flash.is_off = cut;
    return cut ? -1 : 0;
  }

  uint32_t unit_, block_;
  std::vector<bool> programmed_;  // units
  uint64_t cut_ = UINT64_MAX;
  uint32_t part_ = 0;
  std::mt19937 random_;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_STORE_NOR_FLASH_H_
