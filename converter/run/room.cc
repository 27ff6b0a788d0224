#include "converter/run/room.h"

#include <sys/mman.h>

#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "cllm/cllm.h"

namespace cllm {
namespace {

constexpr size_t kHugePage = size_t{1} << 21;  // of x86-64, and of ARM with pages of 4 KB

}  // namespace

void Room::Free::operator()(void* data) const { ::operator delete (data, std::align_val_t{alignment}); }

absl::StatusOr<Room> Room::Allocate(uint64_t bytes) {
  const size_t alignment = bytes >= 2 * kHugePage ? kHugePage : CLLM_ALIGNMENT;
  void* data = nullptr;
  if (bytes <= SIZE_MAX) {
    data = ::operator new (static_cast<size_t>(bytes), std::align_val_t{alignment}, std::nothrow);
  }
  if (data == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this machine cannot give ", bytes, " bytes of memory; use a smaller context or batch"));
  }
#ifdef MADV_HUGEPAGE
  // A wish: a kernel that has no huge pages refuses it, and nothing else changes.
  if (alignment == kHugePage)
    madvise(data, static_cast<size_t>(bytes) / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return Room(data, alignment, bytes);
}

}  // namespace cllm
