// Room: converter/mpi. Ranks by MPI, for the program cllm-mpi: the only file that knows of it.
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "converter/commands/join_ranks.h"

namespace cllm {
namespace {

constexpr uint64_t kMostCount = uint64_t{1} << 30;  // MPI counts by int

uint32_t Number(int (*of)(MPI_Comm, int*), MPI_Comm communicator) {
  int number = 0;
  of(communicator, &number);
  return static_cast<uint32_t>(number);
}

// An even share of the machine, and none that mpirun has bound to others.
uint32_t CoresOfThisProcess() {
  MPI_Comm machine;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
  const uint32_t processes = Number(MPI_Comm_size, machine);
  MPI_Comm_free(&machine);
  const uint32_t all = static_cast<uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  cpu_set_t bound;
  uint32_t allowed = all;
  if (sched_getaffinity(0, sizeof(bound), &bound) == 0) allowed = static_cast<uint32_t>(CPU_COUNT(&bound));
  return std::max(1u, std::min(allowed, all / processes));
}

class MpiRanks final : public Ranks {
 public:
  MpiRanks()
      : rank_(Number(MPI_Comm_rank, MPI_COMM_WORLD)),
        count_(Number(MPI_Comm_size, MPI_COMM_WORLD)),
        cores_(CoresOfThisProcess()) {}
  ~MpiRanks() override { MPI_Finalize(); }

  uint32_t rank() const override { return rank_; }
  uint32_t count() const override { return count_; }
  uint32_t cores() const override { return cores_; }

  // MPI keeps the order of messages between two ranks.
  void Exchange(absl::Span<const Message> sent, absl::Span<const Message> received) override {
    std::vector<MPI_Request> requests;
    for (const Message& message : received) Start(MPI_Irecv, message, &requests);
    for (const Message& message : sent) Start(MPI_Isend, message, &requests);
    MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  }

  void Gather(void* data, absl::Span<const uint64_t> offsets) override {
    for (uint64_t begin = 0; begin < offsets[count_]; begin += kMostCount) {
      std::vector<int> counts, places;
      for (uint32_t r = 0; r < count_; ++r) {
        const uint64_t first = std::clamp(offsets[r], begin, begin + kMostCount) - begin;
        const uint64_t last = std::clamp(offsets[r + 1], begin, begin + kMostCount) - begin;
        places.push_back(static_cast<int>(first));
        counts.push_back(static_cast<int>(last - first));
      }
      MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, static_cast<char*>(data) + begin, counts.data(),
                     places.data(), MPI_BYTE, MPI_COMM_WORLD);
    }
  }

  [[noreturn]] void Abort(const std::string& why) override {
    std::fprintf(stderr, "cllm: rank %u: %s\n", rank_, why.c_str());
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::_Exit(1);
  }

 private:
  template <class Function>
  static void Start(Function function, const Message& message, std::vector<MPI_Request>* requests) {
    for (uint64_t begin = 0; begin < message.count; begin += kMostCount) {
      requests->emplace_back();
      const int count = static_cast<int>(std::min<uint64_t>(kMostCount, message.count - begin));
      function(message.data + begin, count, MPI_FLOAT, static_cast<int>(message.rank), 0, MPI_COMM_WORLD,
               &requests->back());
    }
  }

  const uint32_t rank_, count_, cores_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Ranks>> JoinRanks() {
  int provided = 0;
  // The trainer's threads never call MPI; errors of its functions end all processes.
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  return std::make_unique<MpiRanks>();
}

}  // namespace cllm
