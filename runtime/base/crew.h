// Room: base. A crew: workers that go through the same steps side by side, within one fork and join. Each
// step is cut into as many shares as the crew has members. Whoever is there takes its own share, and one that
// nobody has come for after a moment, so that a worker which the machine has interrupted holds up the others
// only with the share that it is in. A step begins when all shares of the one before are done. No result
// depends on who does what. Touches only its arguments.
#ifndef CLLM_BASE_CREW_H_
#define CLLM_BASE_CREW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/ranges.h"

namespace cllm {

// What the members of a crew have in common; on the stack of the thread that forks.
class CrewState {
 public:
  static constexpr uint32_t kMostMembers = 16;

  CrewState(const cllm_workers& workers, uint32_t members) : workers_(workers), members_(members) {}
  uint32_t members() const { return members_; }

  bool InStep(uint32_t step) const {
    return state_.load(std::memory_order_acquire) >> kMostMembers == (step & kStepMask);
  }
  // Whether the share was still to be had; then it must be finished.
  bool Claim(uint32_t step, uint32_t share) {
    uint32_t state = state_.load(std::memory_order_acquire);
    do {
      if (state >> kMostMembers != (step & kStepMask) || (state >> share & 1) != 0) return false;
    } while (!state_.compare_exchange_weak(state, state | 1u << share, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
    return true;
  }
  void Finish(uint32_t step) {
    if (done_.fetch_add(1, std::memory_order_acq_rel) + 1 != members_) return;
    done_.store(0, std::memory_order_relaxed);
    state_.store(((step + 1) & kStepMask) << kMostMembers, std::memory_order_release);
  }
  void Yield() const {
    if (workers_.yield != nullptr) workers_.yield(workers_.self);
  }

 private:
  static constexpr uint32_t kStepMask = 0xFFFFFFFFu >> kMostMembers;

  // Upper half: the step's number; lower half: a bit for each share that was taken.
  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<uint32_t> done_{0};
  const cllm_workers& workers_;
  uint32_t members_;
};

// How steps are done: each cut and forked for workers, if it is worth it; or by the members of a crew, each
// of which runs the code between the steps too, and must leave alone there what others can see.
class Crew {
 public:
  explicit Crew(const cllm_workers* workers) : workers_(workers) {}
  Crew(CrewState* state, uint32_t index) : state_(state), index_(index) {}

  uint32_t index() const { return kHasWorkers ? index_ : 0; }
  // Into how many ranges Step cuts the items.
  size_t RangesOf(size_t items, size_t macs) const {
    if (!kHasWorkers) return 1;
    return state_ != nullptr ? state_->members() : RangeCount(workers_, items, macs);
  }

  // body(begin, end) over [0, items), each costing about `macs` multiply-adds.
  template <class Body>
  void Step(size_t items, size_t macs, const Body& body) {
    Step(
        0, 0, [](size_t, size_t) {}, items, macs, body);
  }

  // The same after prepare(begin, end) has been done for [0, rows). The members of a crew prepare all rows,
  // each in scratch of its own: for few rows this costs less than a step.
  template <class Prepare, class Body>
  void Step(size_t rows, size_t row_macs, const Prepare& prepare, size_t items, size_t macs,
            const Body& body) {
    if (kHasWorkers && state_ != nullptr) {
      bool prepared = rows == 0;
      return Shares([&](size_t share) {
        if (!prepared) prepare(0, rows);
        prepared = true;
        const size_t count = state_->members(), begin = items * share / count;
        const size_t end = items * (share + 1) / count;
        if (begin < end) body(begin, end);
      });
    }
    if (rows > 0) ForRanges(workers_, rows, row_macs, prepare);
    ForRanges(workers_, items, macs, body);
  }

 private:
  // Pauses that pass before a member takes a share that is not its own, and between two yields: about 2 and
  // 20 microseconds.
  static constexpr uint32_t kPatience = 100, kSpins = 1000;

  static void Pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
  }

  template <class Body>
  void Shares(const Body& body) {
    const uint32_t step = step_++;
    const auto take = [&](uint32_t share) {
      if (!state_->Claim(step, share)) return false;
      body(share);
      state_->Finish(step);
      return true;
    };
    take(index_);
    uint32_t patience = alone_ ? 0 : kPatience;
    alone_ = false;
    for (uint32_t spins = 0; state_->InStep(step); ++spins) {
      if (spins == patience) {
        for (uint32_t share = 0; share < state_->members(); ++share) alone_ |= take(share);
      } else if (spins % kSpins == kSpins - 1) {
        state_->Yield();
      }
      Pause();
    }
  }

  const cllm_workers* workers_ = nullptr;
  CrewState* state_ = nullptr;
  uint32_t index_ = 0;
  uint32_t step_ = 0;
  bool alone_ = false;  // took another's share in the last step: it may not come for the next one either
};

// Runs body(crew) for each of `members`, at most CrewState::kMostMembers, and returns when all have returned.
template <class Body>
void RunCrew(const cllm_workers& workers, uint32_t members, const Body& body) {
  CrewState state(workers, members);
  ParallelFor(&workers, members, [&](uint32_t index) {
    Crew crew(&state, index);
    body(crew);
  });
}

}  // namespace cllm

#endif  // CLLM_BASE_CREW_H_
