// A crew does every share of every step once, and no step before the one before it, whoever comes and
// whenever: side by side, one after the other, or late.
#include "base/crew.h"

#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "posix/thread_pool.h"

namespace cllm {
namespace {

constexpr uint32_t kSteps = 300;

// Each step adds its number to every cell; a cell remembers whether it has seen all steps in order.
struct Board {
  explicit Board(size_t cells) : next(cells, 0) {}
  std::vector<uint32_t> next;
  std::vector<uint32_t> prepared = std::vector<uint32_t>(CrewState::kMostMembers, 0);
  std::atomic<uint32_t> wrong{0};

  // Member `late` comes to some steps after the others.
  void Run(Crew& crew, uint32_t late) {
    for (uint32_t step = 0; step < kSteps; ++step) {
      if (crew.index() == late && step % 50 == 7) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const auto body = [&](size_t begin, size_t end) {
        wrong += prepared[crew.index()] != step;
        for (size_t i = begin; i < end; ++i) wrong += next[i]++ != step;
      };
      if (step % 2 == 0) {
        prepared[crew.index()] = step;
        crew.Step(next.size(), 1, body);
      } else {
        const auto prepare = [&](size_t, size_t rows) {
          wrong += rows != 1;
          prepared[crew.index()] = step;
        };
        crew.Step(1, 1, prepare, next.size(), 1, body);
      }
    }
  }
};

void CheckBoard(const cllm_workers& workers, uint32_t members, size_t cells, uint32_t late) {
  Board board(cells);
  RunCrew(workers, members, [&](Crew& crew) { board.Run(crew, late); });
  CHECK(board.wrong == 0);
  for (const uint32_t steps : board.next) CHECK(steps == kSteps);
}

TEST_CASE("members side by side, more and fewer than threads and cells") {
  for (const uint32_t threads : {2u, 3u, 5u}) {
    ThreadPool pool(threads);
    for (const uint32_t members : {2u, 3u, 7u, 16u}) {
      for (const size_t cells : {1u, 6u, 50u}) CheckBoard(*pool.workers(), members, cells, 99);
    }
  }
}

TEST_CASE("a member that is late, or that only comes when all is done") {
  ThreadPool pool(3);
  for (uint32_t late = 0; late < 3; ++late) CheckBoard(*pool.workers(), 3, 10, late);
  const auto one_by_one = [](void*, void (*task)(void*, uint32_t), void* context, uint32_t tasks) {
    for (uint32_t i = tasks; i-- > 0;) task(context, i);
  };
  CheckBoard({4, nullptr, one_by_one, nullptr}, 4, 10, 99);
}

TEST_CASE("a crew of one forks each step by itself") {
  ThreadPool pool(2);
  for (const cllm_workers* workers : {static_cast<const cllm_workers*>(nullptr), pool.workers()}) {
    Crew crew(workers);
    std::vector<std::atomic<uint32_t>> rows(5), items(1000);
    crew.Step(
        rows.size(), 100000,
        [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) ++rows[i];
        },
        items.size(), 1000,
        [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i) ++items[i];
        });
    for (const std::atomic<uint32_t>& count : rows) CHECK(count == 1);
    for (const std::atomic<uint32_t>& count : items) CHECK(count == 1);
  }
}

}  // namespace
}  // namespace cllm
