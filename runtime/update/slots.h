// Room: update. Two slots of flash for a file each, and the store whose record says which one counts. Touches
// its storage, the mapped flash, and flash through the caller's functions.
#ifndef CLLM_UPDATE_SLOTS_H_
#define CLLM_UPDATE_SLOTS_H_

#include <cstddef>
#include <cstdint>

#include "base/ed25519.h"
#include "base/sha256.h"
#include "base/status.h"
#include "cllm/update.h"
#include "store/store.h"
#include "update/patch.h"

namespace cllm {

// The functions of cllm_slots_*; update.h of the public headers says what they do.
class Slots {
 public:
  Status Open(const cllm_flash& flash, uint32_t record_blocks, const void* mapped);
  void Describe(cllm_slots_info* info) const;
  Status Begin(const uint8_t* public_key);
  Status Write(const uint8_t* patch, size_t bytes);
  Status Commit();

 private:
  // The store's content, little endian. bytes 0: there is no file.
  struct Record {
    uint32_t slot, bytes;
    uint8_t digest[kSha256Bytes];
  };

  Status ReadRecord();
  uint32_t SlotBytes() const { return slot_blocks_ * flash_.block_bytes; }
  uint32_t AddressOf(uint32_t slot) const {
    return (record_blocks_ + slot * slot_blocks_) * flash_.block_bytes;
  }
  const uint8_t* FileOf(uint32_t slot) const { return mapped_ + AddressOf(slot); }
  Status Put(const uint8_t* bytes, size_t count);
  Status Flush();
  Status CheckFile(const Record& record) const;

  cllm_flash flash_;
  uint32_t record_blocks_, slot_blocks_;
  const uint8_t* mapped_;
  Store store_;
  Record last_;
  uint64_t sequence_;
  // Of the update that was started.
  Patcher patcher_;
  bool is_started_, has_key_;
  uint8_t key_[kPublicKeyBytes];
  uint32_t written_;  // bytes of the new file that are in flash
  uint32_t held_;     // bytes after these in the buffer
  alignas(8) uint8_t buffer_[Store::kMostUnit];
};

}  // namespace cllm

#endif  // CLLM_UPDATE_SLOTS_H_
