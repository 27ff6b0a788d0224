// Room: converter/train. The processes that train one model together, on one machine or on many. Whatever
// they exchange is summed in an order of its own, never in that of arrival.
#ifndef CLLM_CONVERTER_TRAIN_RANKS_H_
#define CLLM_CONVERTER_TRAIN_RANKS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace cllm {

// All ranks call the same functions in the same order; each call returns when this rank's part of it is done.
// A failure of the connection ends all processes.
class Ranks {
 public:
  // Floats to or from another rank.
  struct Message {
    uint32_t rank;
    float* data;
    size_t count;
  };

  virtual ~Ranks() = default;
  virtual uint32_t rank() const = 0;   // of this process, from 0
  virtual uint32_t count() const = 0;  // of processes
  virtual uint32_t cores() const = 0;  // that this process may keep busy, beside others on its machine

  // Sends and receives all of them: what one rank sends another arrives in the order of both ranks' lists.
  virtual void Exchange(absl::Span<const Message> sent, absl::Span<const Message> received) = 0;

  // Rank r has bytes [offsets[r], offsets[r + 1]) of `data`; afterwards every rank has all of them. offsets:
  // count() + 1 of them, the same everywhere.
  virtual void Gather(void* data, absl::Span<const uint64_t> offsets) = 0;

  // Ends all processes, for an error that the others do not know of.
  [[noreturn]] virtual void Abort(const std::string& why) = 0;
};

// Whether all ranks are well: OK on all of them, or on all of them the error of the first that has one, with
// its number unless it is rank 0. ranks: nullptr for a process by itself.
absl::Status Agree(Ranks* ranks, const absl::Status& status);

// Error: InvalidArgument, unless all ranks have the same bytes.
absl::Status AgreeOn(Ranks& ranks, const std::string& bytes, const std::string& what);

// The bytes that rank 0 has, on every rank.
std::string FromFirst(Ranks& ranks, std::string bytes);

// Where part `part` of `parts` begins in [0, count).
inline uint64_t PartBegin(uint64_t count, uint64_t part, uint64_t parts) { return count * part / parts; }

}  // namespace cllm

#endif  // CLLM_CONVERTER_TRAIN_RANKS_H_
