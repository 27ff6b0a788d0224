// The pool calls each task once, whatever the number of threads and tasks, and wakes after it parked.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <vector>

#include "posix/thread_pool.h"

namespace cllm {
namespace {

struct Job {
  std::vector<std::atomic<int>> calls;
  explicit Job(size_t tasks) : calls(tasks) {}
  static void Count(void* self, uint32_t index) { ++static_cast<Job*>(self)->calls[index]; }
};

TEST_CASE("every task runs exactly once") {
  for (const uint32_t threads : {0u, 1u, 2u, 3u, 5u}) {
    ThreadPool pool(threads);
    const cllm_workers* workers = pool.workers();
    CHECK(workers->count == std::max(threads, 1u));
    for (int round = 0; round < 2000; ++round) {
      Job job(static_cast<size_t>(round % 13));
      workers->run(workers->self, Job::Count, &job, static_cast<uint32_t>(job.calls.size()));
      for (const std::atomic<int>& calls : job.calls) CHECK(calls == 1);
    }
  }
}

TEST_CASE("a parked pool wakes up") {
  ThreadPool pool(3);
  const cllm_workers* workers = pool.workers();
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    Job job(7);
    workers->run(workers->self, Job::Count, &job, 7);
    for (const std::atomic<int>& calls : job.calls) CHECK(calls == 1);
  }
}

}  // namespace
}  // namespace cllm
