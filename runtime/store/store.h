// Room: store. Contents in a ring of erase blocks. Touches its storage, and flash through the caller's
// functions.
//
// A content takes whole blocks, one after another, around the end of the region if need be. Each block begins
// with a BlockHead, so that no byte of a content can pass for one; then come the content's bytes and, at the
// end of the last block's, their SHA-256, without which there is no content: writing it is the commit.
#ifndef CLLM_STORE_STORE_H_
#define CLLM_STORE_STORE_H_

#include <cstddef>
#include <cstdint>

#include "base/sha256.h"
#include "base/status.h"
#include "cllm/store.h"

namespace cllm {

// Little endian, as every machine that runs this. `check` is over what is before it.
struct BlockHead {
  uint32_t identifier;
  uint32_t index;  // of the block within its content
  uint64_t sequence;
  uint32_t bytes;  // of the content
  uint32_t check;
};
static_assert(sizeof(BlockHead) == 24);

// The functions of cllm_store_*; store.h of the public headers says what they do.
class Store {
 public:
  static constexpr uint32_t kMostUnit = 256;

  Status Open(const cllm_flash& flash);
  void Describe(cllm_store_info* info) const;
  Status Read(uint32_t offset, void* to, uint32_t bytes) const;
  Status Begin(uint32_t bytes);
  Status Write(const void* from, uint32_t bytes);
  Status Commit();

 private:
  // Where a content lies. sequence 0: there is none.
  struct Content {
    uint64_t sequence;
    uint32_t first_block, bytes;
  };

  uint32_t HeadSpace() const;
  uint32_t Capacity() const { return flash_.block_bytes - HeadSpace(); }
  // Blocks of a content with its digest.
  uint32_t BlocksOf(uint32_t bytes) const;
  uint32_t AddressOf(const Content& content, uint32_t offset) const;
  BlockHead HeadOf(const Content& content, uint32_t index) const;
  bool ReadHead(uint32_t block, BlockHead* head, Status* status) const;
  Status ReadStream(const Content& content, uint32_t offset, uint8_t* to, uint32_t bytes) const;
  // CLLM_STORE_RANGE if it is not whole. *digest: of the content.
  Status Verify(const Content& content, uint8_t digest[kSha256Bytes]) const;
  // The content of the highest sequence below `below`.
  Status FindBelow(uint64_t below, Content* content) const;
  void StartDigest(const Content& content, Sha256Hasher* hasher) const;
  Status Put(const uint8_t* from, uint32_t bytes);
  Status Flush();

  cllm_flash flash_;
  Content last_;
  uint8_t digest_[kSha256Bytes];  // of the last content
  Content next_;                  // sequence 0: nothing was started
  uint32_t taken_;                // bytes of the next content so far
  uint32_t written_;              // bytes of its stream that are in flash or in the buffer
  uint32_t held_;                 // of these in the buffer
  Sha256Hasher hasher_;
  alignas(8) uint8_t buffer_[kMostUnit];
};

}  // namespace cllm

#endif  // CLLM_STORE_STORE_H_
