// Room: converter/run. Memory for sessions, trainers and scratch.
#ifndef CLLM_CONVERTER_RUN_ROOM_H_
#define CLLM_CONVERTER_RUN_ROOM_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"

namespace cllm {

// A block of memory aligned to CLLM_ALIGNMENT; its contents are unspecified. A large one asks for huge pages:
// products step through matrices of tens of megabytes, where address translation costs up to a tenth.
class Room {
 public:
  // Error: ResourceExhausted, with the size in words.
  static absl::StatusOr<Room> Allocate(uint64_t bytes);

  void* data() const { return data_.get(); }
  uint64_t bytes() const { return bytes_; }

 private:
  struct Free {
    size_t alignment;
    void operator()(void* data) const;
  };
  Room(void* data, size_t alignment, uint64_t bytes) : data_(data, Free{alignment}), bytes_(bytes) {}

  std::unique_ptr<void, Free> data_;
  uint64_t bytes_;
};

}  // namespace cllm

#endif  // CLLM_CONVERTER_RUN_ROOM_H_
