// Ranks that are threads of the test: what processes on several machines do, without them.
#ifndef CLLM_TESTS_SUPPORT_THREAD_RANKS_H_
#define CLLM_TESTS_SUPPORT_THREAD_RANKS_H_

#include <algorithm>
#include <barrier>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "converter/train/ranks.h"

namespace cllm::testing {

class ThreadRanks final : public Ranks {
 public:
  // Runs body(ranks) on `count` threads, and counts the floats that they send each other.
  static uint64_t Run(uint32_t count, const std::function<void(Ranks&)>& body) {
    Shared shared(count);
    std::vector<std::thread> threads;
    for (uint32_t r = 0; r < count; ++r) {
      threads.emplace_back([&, r] {
        ThreadRanks ranks(shared, r);
        body(ranks);
      });
    }
    for (std::thread& thread : threads) thread.join();
    uint64_t floats = 0;
    for (const uint64_t sent : shared.floats) floats += sent;
    return floats;
  }

  uint32_t rank() const override { return rank_; }
  uint32_t count() const override { return static_cast<uint32_t>(shared_.data.size()); }
  uint32_t cores() const override { return 1; }

  void Exchange(absl::Span<const Message> sent, absl::Span<const Message> received) override {
    shared_.sent[rank_] = sent;
    for (const Message& message : sent) shared_.floats[rank_] += message.count;
    shared_.barrier.arrive_and_wait();
    std::vector<size_t> next(count());
    for (const Message& message : received) {
      const absl::Span<const Message> theirs = shared_.sent[message.rank];
      size_t& i = next[message.rank];
      while (i < theirs.size() && theirs[i].rank != rank_) ++i;
      if (i == theirs.size() || theirs[i].count != message.count) throw std::logic_error("no such message");
      std::copy(theirs[i].data, theirs[i].data + message.count, message.data);
      ++i;
    }
    shared_.barrier.arrive_and_wait();
  }

  void Gather(void* data, absl::Span<const uint64_t> offsets) override {
    shared_.data[rank_] = static_cast<char*>(data);
    shared_.barrier.arrive_and_wait();
    for (uint32_t r = 0; r < count(); ++r) {
      if (r == rank_) continue;
      std::copy(shared_.data[r] + offsets[r], shared_.data[r] + offsets[r + 1],
                static_cast<char*>(data) + offsets[r]);
    }
    shared_.barrier.arrive_and_wait();
  }

  [[noreturn]] void Abort(const std::string& why) override { throw std::runtime_error(why); }

 private:
  struct Shared {
    explicit Shared(uint32_t count) : barrier(count), data(count), sent(count), floats(count) {}
    std::barrier<> barrier;
    std::vector<char*> data;
    std::vector<absl::Span<const Message>> sent;
    std::vector<uint64_t> floats;
  };

  ThreadRanks(Shared& shared, uint32_t rank) : shared_(shared), rank_(rank) {}

  Shared& shared_;
  const uint32_t rank_;
};

}  // namespace cllm::testing

#endif  // CLLM_TESTS_SUPPORT_THREAD_RANKS_H_
