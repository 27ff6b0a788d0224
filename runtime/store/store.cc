#include "store/store.h"

#include <cstring>

#include "base/layout.h"

namespace cllm {
namespace {

constexpr uint32_t kIdentifier = 0x544C4C43;  // "CLLT"
constexpr uint32_t kErased = 0xFF;
constexpr uint64_t kMostRegion = uint64_t{1} << 31;
constexpr uint32_t kLeastBlock = 512;

// The first four bytes of a head's SHA-256: an accident passes one time in 2^32, and then meets the
// content's.
uint32_t CheckOf(const BlockHead& head) {
  Sha256Hasher hasher;
  hasher.Add(&head, offsetof(BlockHead, check));
  uint8_t digest[kSha256Bytes];
  hasher.Finish(digest);
  uint32_t check;
  std::memcpy(&check, digest, sizeof(check));
  return check;
}

Status CheckGeometry(const cllm_flash& flash) {
  if (flash.struct_size != sizeof(cllm_flash)) return CLLM_STRUCT_SIZE;
  if (flash.read == nullptr || flash.program == nullptr || flash.erase == nullptr) return CLLM_NULL_ARGUMENT;
  const uint32_t unit = flash.unit_bytes;
  const bool valid = unit >= 1 && unit <= Store::kMostUnit && (unit & (unit - 1)) == 0 &&
                     flash.block_bytes >= kLeastBlock && flash.block_bytes % unit == 0 && flash.blocks >= 2 &&
                     uint64_t{flash.block_bytes} * flash.blocks <= kMostRegion;
  return valid ? CLLM_OK : CLLM_STORE_GEOMETRY;
}

}  // namespace

uint32_t Store::HeadSpace() const {
  return static_cast<uint32_t>(RoundUp(sizeof(BlockHead), flash_.unit_bytes));
}

uint32_t Store::BlocksOf(uint32_t bytes) const {
  return (bytes + static_cast<uint32_t>(kSha256Bytes) + Capacity() - 1) / Capacity();
}

uint32_t Store::AddressOf(const Content& content, uint32_t offset) const {
  const uint32_t block = (content.first_block + offset / Capacity()) % flash_.blocks;
  return block * flash_.block_bytes + HeadSpace() + offset % Capacity();
}

BlockHead Store::HeadOf(const Content& content, uint32_t index) const {
  BlockHead head = {kIdentifier, index, content.sequence, content.bytes, 0};
  head.check = CheckOf(head);
  return head;
}

// Whether the block begins with a head; a failure of the flash goes to *status.
bool Store::ReadHead(uint32_t block, BlockHead* head, Status* status) const {
  if (flash_.read(flash_.self, block * flash_.block_bytes, head, sizeof(*head)) != 0) {
    *status = CLLM_STORE_FLASH;
    return false;
  }
  return head->identifier == kIdentifier && head->sequence != 0 && head->check == CheckOf(*head);
}

Status Store::ReadStream(const Content& content, uint32_t offset, uint8_t* to, uint32_t bytes) const {
  while (bytes > 0) {
    const uint32_t left = Capacity() - offset % Capacity(), part = bytes < left ? bytes : left;
    if (flash_.read(flash_.self, AddressOf(content, offset), to, part) != 0) return CLLM_STORE_FLASH;
    offset += part;
    to += part;
    bytes -= part;
  }
  return CLLM_OK;
}

void Store::StartDigest(const Content& content, Sha256Hasher* hasher) const {
  hasher->Add(&content.sequence, sizeof(content.sequence));
  hasher->Add(&content.bytes, sizeof(content.bytes));
}

Status Store::Verify(const Content& content, uint8_t digest[kSha256Bytes]) const {
  Status status = CLLM_OK;
  for (uint32_t i = 0; i < BlocksOf(content.bytes); ++i) {
    BlockHead head;
    const BlockHead expected = HeadOf(content, i);
    const bool is_head = ReadHead((content.first_block + i) % flash_.blocks, &head, &status);
    CLLM_RETURN_IF_ERROR(status);
    if (!is_head || std::memcmp(&head, &expected, sizeof(head)) != 0) return CLLM_STORE_RANGE;
  }
  Sha256Hasher hasher;
  StartDigest(content, &hasher);
  uint8_t bytes[64];
  for (uint32_t at = 0; at < content.bytes; at += sizeof(bytes)) {
    const uint32_t left = content.bytes - at;
    const auto part = static_cast<uint32_t>(left < sizeof(bytes) ? left : sizeof(bytes));
    CLLM_RETURN_IF_ERROR(ReadStream(content, at, bytes, part));
    hasher.Add(bytes, part);
  }
  hasher.Finish(digest);
  CLLM_RETURN_IF_ERROR(ReadStream(content, content.bytes, bytes, kSha256Bytes));
  return std::memcmp(bytes, digest, kSha256Bytes) == 0 ? CLLM_OK : CLLM_STORE_RANGE;
}

Status Store::FindBelow(uint64_t below, Content* content) const {
  *content = {};
  for (uint32_t block = 0; block < flash_.blocks; ++block) {
    BlockHead head;
    Status status = CLLM_OK;
    const bool is_head = ReadHead(block, &head, &status);
    CLLM_RETURN_IF_ERROR(status);
    if (!is_head || head.index != 0 || head.sequence >= below || head.sequence <= content->sequence) continue;
    const bool fits = head.bytes <= kMostRegion && BlocksOf(head.bytes) <= flash_.blocks;
    if (fits) *content = {head.sequence, block, head.bytes};
  }
  return CLLM_OK;
}

Status Store::Open(const cllm_flash& flash) {
  CLLM_RETURN_IF_ERROR(CheckGeometry(flash));
  flash_ = flash;
  last_ = next_ = {};
  std::memset(digest_, 0, sizeof(digest_));
  for (uint64_t below = UINT64_MAX;;) {
    Content found;
    CLLM_RETURN_IF_ERROR(FindBelow(below, &found));
    if (found.sequence == 0) return CLLM_OK;
    const Status status = Verify(found, digest_);
    if (status == CLLM_OK) {
      last_ = found;
      return CLLM_OK;
    }
    if (status != CLLM_STORE_RANGE) return status;
    below = found.sequence;
  }
}

void Store::Describe(cllm_store_info* info) const {
  info->bytes = last_.bytes;
  info->sequence = last_.sequence;
  info->most_bytes = flash_.blocks / 2 * Capacity() - static_cast<uint32_t>(kSha256Bytes);
  info->first_block = last_.first_block;
  std::memcpy(info->digest, digest_, sizeof(digest_));
}

Status Store::Read(uint32_t offset, void* to, uint32_t bytes) const {
  if (last_.sequence == 0 || offset > last_.bytes || bytes > last_.bytes - offset) return CLLM_STORE_RANGE;
  return ReadStream(last_, offset, static_cast<uint8_t*>(to), bytes);
}

// The next content begins where the last one ends, so that blocks are erased in turn.
Status Store::Begin(uint32_t bytes) {
  next_ = {};
  const uint32_t before = last_.sequence != 0 ? BlocksOf(last_.bytes) : 0;
  if (bytes > kMostRegion || BlocksOf(bytes) > flash_.blocks - before) return CLLM_STORE_RANGE;
  next_ = {last_.sequence + 1, (last_.first_block + before) % flash_.blocks, bytes};
  taken_ = written_ = held_ = 0;
  hasher_ = Sha256Hasher();
  StartDigest(next_, &hasher_);
  return CLLM_OK;
}

Status Store::Write(const void* from, uint32_t bytes) {
  if (next_.sequence == 0 || bytes > next_.bytes - taken_) return CLLM_STORE_RANGE;
  taken_ += bytes;
  hasher_.Add(from, bytes);
  return Put(static_cast<const uint8_t*>(from), bytes);
}

Status Store::Commit() {
  if (next_.sequence == 0 || taken_ != next_.bytes) return CLLM_STORE_RANGE;
  uint8_t digest[kSha256Bytes], found[kSha256Bytes];
  hasher_.Finish(digest);
  CLLM_RETURN_IF_ERROR(Put(digest, sizeof(digest)));
  if (held_ > 0) CLLM_RETURN_IF_ERROR(Flush());
  const Content written = next_;
  next_ = {};
  const Status status = Verify(written, found);
  if (status != CLLM_OK) return CLLM_STORE_FLASH;
  last_ = written;
  std::memcpy(digest_, found, sizeof(digest_));
  return CLLM_OK;
}

// Bytes of the stream; each block is erased and gets its head when its first byte comes.
Status Store::Put(const uint8_t* from, uint32_t bytes) {
  while (bytes > 0) {
    if (written_ % Capacity() == 0 && held_ == 0) {
      const uint32_t index = written_ / Capacity(), block = (next_.first_block + index) % flash_.blocks;
      std::memset(buffer_, kErased, sizeof(buffer_));
      const BlockHead head = HeadOf(next_, index);
      std::memcpy(buffer_, &head, sizeof(head));
      const bool failed = flash_.erase(flash_.self, block) != 0 ||
                          flash_.program(flash_.self, block * flash_.block_bytes, buffer_, HeadSpace()) != 0;
      if (failed) {
        next_ = {};
        return CLLM_STORE_FLASH;
      }
    }
    const uint32_t in_block = Capacity() - written_ % Capacity(), space = kMostUnit - held_;
    uint32_t part = bytes < space ? bytes : space;
    part = part < in_block ? part : in_block;
    std::memcpy(buffer_ + held_, from, part);
    held_ += part;
    written_ += part;
    from += part;
    bytes -= part;
    if (held_ == kMostUnit || written_ % Capacity() == 0) CLLM_RETURN_IF_ERROR(Flush());
  }
  return CLLM_OK;
}

Status Store::Flush() {
  const auto whole = static_cast<uint32_t>(RoundUp(held_, flash_.unit_bytes));
  std::memset(buffer_ + held_, kErased, whole - held_);
  const uint32_t address = AddressOf(next_, written_ - held_);
  held_ = 0;
  if (flash_.program(flash_.self, address, buffer_, whole) == 0) return CLLM_OK;
  next_ = {};
  return CLLM_STORE_FLASH;
}

}  // namespace cllm
