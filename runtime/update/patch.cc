#include "update/patch.h"

#include <cstring>

namespace cllm {

void Patcher::Begin(const PatchEnds& ends) {
  ends_ = ends;
  head_ = {};
  hasher_ = Sha256Hasher();
  taken_ = made_ = number_ = operation_ = run_ = old_offset_ = 0;
  shift_ = 0;
  await_ = Await::kHead;
}

Status Patcher::Write(const uint8_t* bytes, size_t count) {
  while (count > 0) {
    size_t taken = 0;
    const Status status = Take(bytes, count, &taken);
    if (status != CLLM_OK) {
      await_ = Await::kNothing;
      return status;
    }
    bytes += taken;
    count -= taken;
  }
  return CLLM_OK;
}

// At least one byte, and as many as belong together.
Status Patcher::Take(const uint8_t* bytes, size_t count, size_t* taken) {
  uint64_t wanted = 1;
  if (await_ == Await::kHead) wanted = sizeof(head_) - taken_;
  if (await_ == Await::kInserted) wanted = operation_;
  if (await_ == Await::kDifferences) wanted = run_;
  const size_t part = wanted < count ? static_cast<size_t>(wanted) : count;
  *taken = part;
  if (await_ == Await::kNothing || (await_ != Await::kHead && part > head_.patch_bytes - taken_)) {
    return CLLM_PATCH_DAMAGED;
  }
  if (await_ == Await::kHead) std::memcpy(reinterpret_cast<uint8_t*>(&head_) + taken_, bytes, part);
  taken_ += part;
  switch (await_) {
    case Await::kHead: return taken_ == sizeof(head_) ? TakeHead() : CLLM_OK;
    case Await::kInserted:
      operation_ -= part;
      if (operation_ == 0) await_ = Await::kOperation;
      return Put(bytes, part);
    case Await::kDifferences: return TakeDifferences(bytes, part);
    default: return TakeNumber(*bytes);
  }
}

Status Patcher::TakeHead() {
  if (std::memcmp(head_.identifier, kPatchIdentifier, sizeof(head_.identifier)) != 0)
    return CLLM_PATCH_NOT_PATCH;
  if (head_.major != kPatchMajor) return CLLM_PATCH_VERSION;
  if (head_.patch_bytes < sizeof(head_)) return CLLM_PATCH_DAMAGED;
  const bool fits = head_.old_bytes == 0 ||
                    (head_.old_bytes == ends_.old_bytes &&
                     std::memcmp(head_.old_digest, ends_.old_digest, sizeof(head_.old_digest)) == 0);
  if (!fits) return CLLM_PATCH_BASE;
  await_ = Await::kOperation;
  return ends_.start(ends_.self, head_);
}

// Seven bits a byte, the lowest first, the eighth set but in the last one; at most 64 bits.
Status Patcher::TakeNumber(uint8_t byte) {
  if (shift_ >= 63 && byte > 1) return CLLM_PATCH_DAMAGED;
  number_ |= uint64_t{byte & 0x7Fu} << shift_;
  shift_ += 7;
  if ((byte & 0x80) != 0) return CLLM_OK;
  const uint64_t number = number_;
  number_ = 0;
  shift_ = 0;
  return ApplyNumber(number);
}

Status Patcher::StartOperation(uint64_t number) {
  operation_ = number >> 1;
  if (operation_ == 0 || operation_ > head_.new_bytes - made_) return CLLM_PATCH_DAMAGED;
  await_ = (number & 1) == kInsert ? Await::kInserted : Await::kOffset;
  return CLLM_OK;
}

// After a run of an operation on the old file.
void Patcher::NextRun() { await_ = operation_ > 0 ? Await::kSame : Await::kOperation; }

Status Patcher::ApplyNumber(uint64_t number) {
  switch (await_) {
    case Await::kOperation: return StartOperation(number);
    case Await::kOffset: {
      // From the end of the last such operation, upwards if the lowest bit is 0.
      const uint64_t by = number >> 1;
      old_offset_ = (number & 1) == 0 ? old_offset_ + by : old_offset_ - by - 1;
      if (old_offset_ > head_.old_bytes || operation_ > head_.old_bytes - old_offset_)
        return CLLM_PATCH_DAMAGED;
      await_ = Await::kSame;
      return CLLM_OK;
    }
    case Await::kSame: {
      if (number > operation_) return CLLM_PATCH_DAMAGED;
      const uint8_t* from = ends_.old_file + static_cast<size_t>(old_offset_);
      operation_ -= number;
      old_offset_ += number;
      await_ = operation_ > 0 ? Await::kChanged : Await::kOperation;
      return number > 0 ? Put(from, static_cast<size_t>(number)) : CLLM_OK;
    }
    default:  // kChanged
      if (number == 0 || number > operation_) return CLLM_PATCH_DAMAGED;
      run_ = number;
      await_ = Await::kDifferences;
      return CLLM_OK;
  }
}

Status Patcher::TakeDifferences(const uint8_t* bytes, size_t count) {
  operation_ -= count;
  run_ -= count;
  while (count > 0) {
    uint8_t made[64];
    const size_t part = count < sizeof(made) ? count : sizeof(made);
    const uint8_t* from = ends_.old_file + static_cast<size_t>(old_offset_);
    for (size_t i = 0; i < part; ++i) made[i] = static_cast<uint8_t>(from[i] + bytes[i]);
    CLLM_RETURN_IF_ERROR(Put(made, part));
    old_offset_ += part;
    bytes += part;
    count -= part;
  }
  if (run_ == 0) NextRun();
  return CLLM_OK;
}

Status Patcher::Put(const uint8_t* bytes, size_t count) {
  hasher_.Add(bytes, count);
  made_ += count;
  return ends_.put(ends_.self, bytes, count);
}

Status Patcher::Finish() {
  if (await_ == Await::kNothing) return CLLM_PATCH_DAMAGED;
  if (taken_ < sizeof(head_) || taken_ < head_.patch_bytes) return CLLM_PATCH_TRUNCATED;
  if (await_ != Await::kOperation || shift_ != 0 || made_ != head_.new_bytes) return CLLM_PATCH_DAMAGED;
  await_ = Await::kNothing;
  uint8_t digest[kSha256Bytes];
  hasher_.Finish(digest);
  return std::memcmp(digest, head_.new_digest, sizeof(digest)) == 0 ? CLLM_OK : CLLM_PATCH_DAMAGED;
}

}  // namespace cllm
