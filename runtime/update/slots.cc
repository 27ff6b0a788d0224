#include "update/slots.h"

#include <cstring>

#include "base/features.h"
#include "base/layout.h"
#include "model/signature.h"

namespace cllm {
namespace {

Status CheckEveryBlock(const Model& model) {
  BlockTree tree;
  CLLM_RETURN_IF_ERROR(ReadBlockTree(model, &tree));
  for (uint64_t i = 0; i < tree.blocks(); ++i) {
    if (!CheckBlock(tree, i)) return CLLM_BLOCK_DAMAGED;
  }
  return CLLM_OK;
}

}  // namespace

Status Slots::Open(const cllm_flash& flash, uint32_t record_blocks, const void* mapped) {
  if (!kHasSignatures) return CLLM_UNSUPPORTED_SIGNATURE;
  if (flash.struct_size != sizeof(cllm_flash)) return CLLM_STRUCT_SIZE;
  if (reinterpret_cast<uintptr_t>(mapped) % kAlignment != 0) return CLLM_MISALIGNED;
  const bool valid = record_blocks >= 2 && flash.blocks >= 2 && record_blocks <= flash.blocks - 2 &&
                     flash.block_bytes % kAlignment == 0 &&
                     uint64_t{flash.blocks} * flash.block_bytes <= uint64_t{1} << 31;
  if (!valid) return CLLM_STORE_GEOMETRY;
  flash_ = flash;
  record_blocks_ = record_blocks;
  slot_blocks_ = (flash.blocks - record_blocks) / 2;
  mapped_ = static_cast<const uint8_t*>(mapped);
  is_started_ = false;
  cllm_flash records = flash;
  records.blocks = record_blocks;
  CLLM_RETURN_IF_ERROR(store_.Open(records));
  return ReadRecord();
}

// The store has checked its digest; what it says is held against the slots all the same.
Status Slots::ReadRecord() {
  cllm_store_info info = {};
  store_.Describe(&info);
  sequence_ = info.sequence;
  last_ = {};
  if (info.bytes != sizeof(last_)) return info.bytes == 0 ? CLLM_OK : CLLM_STORE_RANGE;
  Record record;
  CLLM_RETURN_IF_ERROR(store_.Read(0, &record, sizeof(record)));
  if (record.slot > 1 || record.bytes > SlotBytes()) return CLLM_STORE_RANGE;
  last_ = record;
  return CLLM_OK;
}

void Slots::Describe(cllm_slots_info* info) const {
  info->slot = last_.slot;
  info->file = last_.bytes > 0 ? FileOf(last_.slot) : nullptr;
  info->bytes = last_.bytes;
  info->most_bytes = SlotBytes();
  info->sequence = sequence_;
  std::memcpy(info->digest, last_.digest, sizeof(info->digest));
}

Status Slots::Begin(const uint8_t* public_key) {
  has_key_ = public_key != nullptr;
  if (has_key_) std::memcpy(key_, public_key, sizeof(key_));
  written_ = held_ = 0;
  PatchEnds ends = {FileOf(last_.slot), last_.bytes, {}, this, nullptr, nullptr};
  std::memcpy(ends.old_digest, last_.digest, sizeof(ends.old_digest));
  ends.start = [](void* self, const PatchHead& head) {
    const bool fits = head.new_bytes > 0 && head.new_bytes <= static_cast<Slots*>(self)->SlotBytes();
    return fits ? CLLM_OK : CLLM_STORE_RANGE;
  };
  ends.put = [](void* self, const uint8_t* bytes, size_t count) {
    return static_cast<Slots*>(self)->Put(bytes, count);
  };
  patcher_.Begin(ends);
  is_started_ = true;
  return CLLM_OK;
}

Status Slots::Write(const uint8_t* patch, size_t bytes) {
  if (!is_started_) return CLLM_STORE_RANGE;
  const Status status = patcher_.Write(patch, bytes);
  is_started_ = status == CLLM_OK;
  return status;
}

// The buffer never holds bytes of two blocks: blocks are multiples of 64, and of the unit.
Status Slots::Put(const uint8_t* bytes, size_t count) {
  while (count > 0) {
    const uint32_t at = written_ + held_, in_block = flash_.block_bytes - at % flash_.block_bytes;
    if (at % flash_.block_bytes == 0) {
      const uint32_t block = (AddressOf(1 - last_.slot) + at) / flash_.block_bytes;
      if (flash_.erase(flash_.self, block) != 0) return CLLM_STORE_FLASH;
    }
    size_t part = Store::kMostUnit - held_;
    part = part < in_block ? part : in_block;
    part = part < count ? part : count;
    std::memcpy(buffer_ + held_, bytes, part);
    held_ += static_cast<uint32_t>(part);
    bytes += part;
    count -= part;
    if (held_ == Store::kMostUnit || part == in_block) CLLM_RETURN_IF_ERROR(Flush());
  }
  return CLLM_OK;
}

Status Slots::Flush() {
  const auto whole = static_cast<uint32_t>(RoundUp(held_, flash_.unit_bytes));
  std::memset(buffer_ + held_, 0xFF, whole - held_);
  const uint32_t address = AddressOf(1 - last_.slot) + written_;
  written_ += held_;
  held_ = 0;
  return flash_.program(flash_.self, address, buffer_, whole) == 0 ? CLLM_OK : CLLM_STORE_FLASH;
}

// As it lies in flash, not as it was written.
Status Slots::CheckFile(const Record& record) const {
  const uint8_t* file = FileOf(record.slot);
  uint8_t digest[kSha256Bytes];
  Sha256Hasher hasher;
  hasher.Add(file, record.bytes);
  hasher.Finish(digest);
  if (std::memcmp(digest, record.digest, sizeof(digest)) != 0) return CLLM_STORE_FLASH;
  Model model;
  if (!has_key_) return OpenModel(file, record.bytes, &model);
  CLLM_RETURN_IF_ERROR(OpenSigned(file, record.bytes, key_, &model));
  return CheckEveryBlock(model);
}

Status Slots::Commit() {
  if (!is_started_) return CLLM_STORE_RANGE;
  is_started_ = false;
  CLLM_RETURN_IF_ERROR(patcher_.Finish());
  if (held_ > 0) CLLM_RETURN_IF_ERROR(Flush());
  Record record = {1 - last_.slot, written_, {}};
  std::memcpy(record.digest, patcher_.head().new_digest, sizeof(record.digest));
  CLLM_RETURN_IF_ERROR(CheckFile(record));
  CLLM_RETURN_IF_ERROR(store_.Begin(sizeof(record)));
  CLLM_RETURN_IF_ERROR(store_.Write(&record, sizeof(record)));
  CLLM_RETURN_IF_ERROR(store_.Commit());
  return ReadRecord();
}

}  // namespace cllm
