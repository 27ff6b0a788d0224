// Room: base. A tree of digests over blocks of bytes (Merkle, 1987), so that any block can be checked by
// itself against one root: SHA-256 of 0 and the block's bytes, above these SHA-256 of 1 and the digests of up
// to 16 children. The digests lie one after another, level by level from the blocks' up, without the root.
// Touches its arguments. schemas/FORMAT.md
#ifndef CLLM_BASE_BLOCK_TREE_H_
#define CLLM_BASE_BLOCK_TREE_H_

#include <cstddef>
#include <cstdint>

#include "base/sha256.h"

namespace cllm {

inline constexpr uint64_t kTreeFanOut = 16;
inline constexpr uint64_t kLeastTreeBlock = 1024;
inline constexpr uint64_t kMostTreeBlock = 65536;

constexpr uint64_t ParentsOf(uint64_t digests) { return (digests + kTreeFanOut - 1) / kTreeFanOut; }

// Of the digests of a tree over so many blocks.
constexpr uint64_t TreeBytes(uint64_t blocks) {
  uint64_t digests = 0;
  for (; blocks > 1; blocks = ParentsOf(blocks)) digests += blocks;
  return digests * kSha256Bytes;
}

struct BlockTree {
  const uint8_t* bytes;  // what it covers
  uint64_t count;        // at least 1
  uint64_t block_bytes;  // the last block may be shorter
  const uint8_t* digests;
  const uint8_t* root;

  uint64_t blocks() const { return (count + block_bytes - 1) / block_bytes; }
};

void BlockDigest(const BlockTree& tree, uint64_t block, uint8_t digest[kSha256Bytes]);

// Of `count` digests that lie side by side.
void ParentDigest(const uint8_t* digests, uint64_t count, uint8_t parent[kSha256Bytes]);

// Whether the block, and each digest on its way up, are what the root stands for; block < blocks().
bool CheckBlock(const BlockTree& tree, uint64_t block);

}  // namespace cllm

#endif  // CLLM_BASE_BLOCK_TREE_H_
