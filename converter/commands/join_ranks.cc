// For the program without MPI.
#include "converter/commands/join_ranks.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cllm {
namespace {

// What launchers tell the processes they start: Open MPI's, and those of the PMI standard (MPICH, Slurm).
int FromEnvironment(const char* open_mpi, const char* pmi, int otherwise) {
  for (const char* name : {open_mpi, pmi}) {
    if (const char* value = std::getenv(name); value != nullptr) return std::atoi(value);
  }
  return otherwise;
}

// Returns only if it fails.
void Become(const std::string& program) {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (bytes.empty() || bytes.back() != '\0') return;
  std::vector<char*> arguments;
  for (size_t at = 0; at < bytes.size(); at = bytes.find('\0', at) + 1) arguments.push_back(&bytes[at]);
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ranks>> JoinRanks() {
  const int count = FromEnvironment("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", 1);
  if (count <= 1) return std::unique_ptr<Ranks>();
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) Become((self.parent_path() / "cllm-mpi").string());
  if (FromEnvironment("OMPI_COMM_WORLD_RANK", "PMI_RANK", 0) != 0) return absl::FailedPreconditionError("");
  return absl::FailedPreconditionError(
      absl::StrCat("mpirun started ", count,
                   " processes, but this build has no MPI: there is no cllm-mpi beside it. "
                   "Install Open MPI (toolchains/setup --mpi) and build again."));
}

}  // namespace cllm
