#include "base/block_tree.h"

#include <cstring>

namespace cllm {
namespace {

enum Kind : uint8_t { kBlock = 0, kParent = 1 };

void Digest(Kind kind, const uint8_t* bytes, uint64_t count, uint8_t digest[kSha256Bytes]) {
  Sha256Hasher hasher;
  hasher.Add(&kind, 1);
  hasher.Add(bytes, static_cast<size_t>(count));
  hasher.Finish(digest);
}

uint64_t Least(uint64_t a, uint64_t b) { return a < b ? a : b; }

}  // namespace

void BlockDigest(const BlockTree& tree, uint64_t block, uint8_t digest[kSha256Bytes]) {
  const uint64_t at = block * tree.block_bytes;
  Digest(kBlock, tree.bytes + static_cast<size_t>(at), Least(tree.block_bytes, tree.count - at), digest);
}

void ParentDigest(const uint8_t* digests, uint64_t count, uint8_t parent[kSha256Bytes]) {
  Digest(kParent, digests, count * kSha256Bytes, parent);
}

bool CheckBlock(const BlockTree& tree, uint64_t block) {
  uint8_t digest[kSha256Bytes];
  BlockDigest(tree, block, digest);
  const uint8_t* level = tree.digests;
  for (uint64_t count = tree.blocks(), at = block; count > 1; count = ParentsOf(count), at /= kTreeFanOut) {
    if (std::memcmp(level + static_cast<size_t>(at * kSha256Bytes), digest, kSha256Bytes) != 0) return false;
    const uint64_t first = at - at % kTreeFanOut;
    ParentDigest(level + static_cast<size_t>(first * kSha256Bytes), Least(kTreeFanOut, count - first),
                 digest);
    level += static_cast<size_t>(count * kSha256Bytes);
  }
  return std::memcmp(tree.root, digest, kSha256Bytes) == 0;
}

}  // namespace cllm
