// Room: converter/commands. How a process finds those that mpirun started beside it.
#ifndef CLLM_CONVERTER_COMMANDS_JOIN_RANKS_H_
#define CLLM_CONVERTER_COMMANDS_JOIN_RANKS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "converter/train/ranks.h"

namespace cllm {

// nullptr for a process by itself. `cllm` does without MPI, which it would have to load each time it starts:
// as one of several processes it becomes `cllm-mpi`, which lies beside it where the build has found MPI.
// Error: FailedPrecondition, there is none; without words but on the first rank.
absl::StatusOr<std::unique_ptr<Ranks>> JoinRanks();

}  // namespace cllm

#endif  // CLLM_CONVERTER_COMMANDS_JOIN_RANKS_H_
