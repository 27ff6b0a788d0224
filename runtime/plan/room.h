// Room: plan. Hands out offsets of a room one after the other, each a multiple of 64. A copy plans a part
// that shares its bytes with what the original plans next.
#ifndef CLLM_PLAN_ROOM_H_
#define CLLM_PLAN_ROOM_H_

#include <cstdint>

#include "base/layout.h"

namespace cllm {

class RoomPlan {
 public:
  // Not inlined: firmware would have it twenty times, in 64-bit arithmetic.
  __attribute__((noinline)) uint64_t Take(uint64_t bytes) {
    const uint64_t offset = bytes_;
    bytes_ += RoundUp(bytes, kAlignment);
    return offset;
  }
  uint64_t TakeFloats(uint64_t count) { return Take(count * sizeof(float)); }
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

}  // namespace cllm

#endif  // CLLM_PLAN_ROOM_H_
