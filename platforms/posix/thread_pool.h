// Room: platforms. A fork-join pool of threads for cllm_workers on POSIX systems: workers spin for a moment
// after each job, then park, so that steps of microseconds start at once and an idle pool costs nothing.
#ifndef CLLM_PLATFORMS_POSIX_THREAD_POOL_H_
#define CLLM_PLATFORMS_POSIX_THREAD_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "cllm/cllm.h"

namespace cllm {

class ThreadPool {
 public:
  // threads: how many work at once, the calling thread included; 0 or 1 starts none.
  explicit ThreadPool(uint32_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // For cllm_*_create; valid as long as the pool. One caller at a time.
  const cllm_workers* workers() const { return &workers_; }

 private:
  using Task = void (*)(void* context, uint32_t index);

  void Run(Task task, void* context, uint32_t tasks);
  void Work();
  bool TakeOne();
  bool HasWork() const { return (ticket_.load() & 0xFFFFFFFFu) != 0; }

  cllm_workers workers_;
  std::vector<std::thread> threads_;
  // High half: the job's number. Low half: how many of its tasks nobody has taken yet. A thread that takes a
  // task by decrementing keeps its job from returning, so task_ and context_ are stable while it reads them.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  Task task_ = nullptr;
  void* context_ = nullptr;
  alignas(64) std::atomic<uint32_t> done_{0};
  alignas(64) std::atomic<uint32_t> parked_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
};

}  // namespace cllm

#endif  // CLLM_PLATFORMS_POSIX_THREAD_POOL_H_
