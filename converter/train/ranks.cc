#include "converter/train/ranks.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"

namespace cllm {
namespace {

constexpr size_t kMessageBytes = 1000;

// What a rank says of itself in Agree.
struct Report {
  int32_t code;
  char message[kMessageBytes + 1];
};

std::vector<uint64_t> FirstHasAll(uint32_t ranks, uint64_t bytes) {
  std::vector<uint64_t> offsets(ranks + 1, bytes);
  offsets[0] = 0;
  return offsets;
}

}  // namespace

absl::Status Agree(Ranks* ranks, const absl::Status& status) {
  if (ranks == nullptr) return status;
  std::vector<Report> reports(ranks->count());
  std::vector<uint64_t> offsets;
  for (uint64_t r = 0; r <= ranks->count(); ++r) offsets.push_back(r * sizeof(Report));
  Report& own = reports[ranks->rank()];
  own.code = static_cast<int32_t>(status.code());
  std::memcpy(own.message, status.message().data(), std::min(status.message().size(), kMessageBytes));
  ranks->Gather(reports.data(), offsets);
  for (uint32_t r = 0; r < ranks->count(); ++r) {
    if (reports[r].code == 0) continue;
    return absl::Status(static_cast<absl::StatusCode>(reports[r].code),
                        absl::StrCat(r == 0 ? "" : absl::StrCat("rank ", r, ": "), reports[r].message));
  }
  return absl::OkStatus();
}

absl::Status AgreeOn(Ranks& ranks, const std::string& bytes, const std::string& what) {
  const bool same = FromFirst(ranks, bytes) == bytes;
  return Agree(&ranks, same ? absl::OkStatus()
                            : absl::InvalidArgumentError(absl::StrCat("has other ", what, " than rank 0")));
}

std::string FromFirst(Ranks& ranks, std::string bytes) {
  uint64_t size = bytes.size();
  ranks.Gather(&size, FirstHasAll(ranks.count(), sizeof(size)));
  bytes.resize(size);
  ranks.Gather(bytes.data(), FirstHasAll(ranks.count(), size));
  return bytes;
}

}  // namespace cllm
