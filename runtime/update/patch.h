// Room: update. A patch, piece by piece, and the file that it was made for become the new file. Distrust of
// the patch's bytes ends here. Touches its storage, the old file, and the new one through the caller's
// function. schemas/PATCH.md
#ifndef CLLM_UPDATE_PATCH_H_
#define CLLM_UPDATE_PATCH_H_

#include <cstddef>
#include <cstdint>

#include "base/sha256.h"
#include "base/status.h"

namespace cllm {

// Little endian, as every machine that runs this.
struct PatchHead {
  char identifier[4];
  uint16_t major, minor;
  uint64_t patch_bytes;
  uint64_t old_bytes;  // 0: no old file is needed
  uint64_t new_bytes;
  uint8_t old_digest[kSha256Bytes];
  uint8_t new_digest[kSha256Bytes];
};
static_assert(sizeof(PatchHead) == 96);

inline constexpr char kPatchIdentifier[] = "CLMP";
inline constexpr uint16_t kPatchMajor = 1;

// The lowest bit of an operation's first number; the rest is its length.
enum PatchOperation : uint8_t { kInsert = 0, kFromOld = 1 };

// What a patch is applied to, and where the new file's bytes go, in order.
struct PatchEnds {
  const uint8_t* old_file;
  uint64_t old_bytes;
  uint8_t old_digest[kSha256Bytes];
  void* self;
  Status (*start)(void* self, const PatchHead& head);  // before the first byte
  Status (*put)(void* self, const uint8_t* bytes, size_t count);
};

class Patcher {
 public:
  void Begin(const PatchEnds& ends);
  // After an error nothing more is taken. Errors: CLLM_PATCH_*, those of the ends.
  Status Write(const uint8_t* bytes, size_t count);
  // That the patch is whole, and the bytes that were put are those that it promised.
  Status Finish();
  const PatchHead& head() const { return head_; }

 private:
  enum class Await : uint8_t {
    kHead,
    kOperation,
    kInserted,
    kOffset,
    kSame,
    kChanged,
    kDifferences,
    kNothing
  };

  Status Take(const uint8_t* bytes, size_t count, size_t* taken);
  Status TakeHead();
  Status TakeNumber(uint8_t byte);
  Status ApplyNumber(uint64_t number);
  Status StartOperation(uint64_t number);
  Status TakeDifferences(const uint8_t* bytes, size_t count);
  Status Put(const uint8_t* bytes, size_t count);
  void NextRun();

  PatchEnds ends_;
  PatchHead head_;
  Sha256Hasher hasher_;
  uint64_t taken_;       // bytes of the patch
  uint64_t made_;        // of the new file
  uint64_t number_;      // so far
  uint64_t operation_;   // bytes that the operation still makes
  uint64_t run_;         // of these in its current run
  uint64_t old_offset_;  // of the next byte from the old file
  unsigned shift_;       // of the number's next seven bits
  Await await_;
};

}  // namespace cllm

#endif  // CLLM_UPDATE_PATCH_H_
