#include "posix/thread_pool.h"

namespace cllm {
namespace {

// About 20 to 50 microseconds: longer than the gaps between a model's steps, shorter than a scheduler tick.
constexpr int kSpins = 2000;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace

ThreadPool::ThreadPool(uint32_t threads) {
  workers_ = {threads > 1 ? threads : 1, this,
              [](void* self, Task task, void* context, uint32_t tasks) {
                static_cast<ThreadPool*>(self)->Run(task, context, tasks);
              },
              [](void*) { std::this_thread::yield(); }};
  for (uint32_t i = 1; i < threads; ++i) threads_.emplace_back([this] { Work(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::TakeOne() {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  do {
    if ((ticket & 0xFFFFFFFFu) == 0) return false;
  } while (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire));
  task_(context_, static_cast<uint32_t>(ticket & 0xFFFFFFFFu) - 1);
  done_.fetch_add(1, std::memory_order_release);
  done_.notify_one();
  return true;
}

void ThreadPool::Run(Task task, void* context, uint32_t tasks) {
  task_ = task;
  context_ = context;
  done_.store(0, std::memory_order_relaxed);
  const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(job << 32 | tasks);
  if (parked_.load() > 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
  while (TakeOne()) {
  }
  int spins = 0;
  for (uint32_t done; (done = done_.load(std::memory_order_acquire)) != tasks; ++spins) {
    // With more threads than cores the one we wait for may not be running: give it ours.
    if (spins < kSpins) {
      Pause();
    } else {
      done_.wait(done, std::memory_order_acquire);
    }
  }
}

void ThreadPool::Work() {
  for (;;) {
    for (int spins = 0; spins < kSpins; ++spins) {
      if (TakeOne()) spins = 0;
      if (stop_.load(std::memory_order_relaxed)) return;
      Pause();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ++parked_;
    wake_.wait(lock, [this] { return stop_.load() || HasWork(); });
    --parked_;
    if (stop_) return;
  }
}

}  // namespace cllm
