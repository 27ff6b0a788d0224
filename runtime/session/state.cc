// A stream as bytes that any machine can go on from: schemas/STATE.md.
#include <cstddef>
#include <cstring>

#include "base/features.h"
#include "base/sha256.h"
#include "model/delta.h"
#include "session/attend.h"
#include "session/session.h"

namespace cllm {
namespace {

constexpr uint8_t kIdentifier[4] = {'C', 'L', 'M', 'S'};
constexpr uint16_t kMajor = 1, kMinor = 0;
// Of a state over a delta, so that a reader who knows of none refuses it.
constexpr uint16_t kDeltaMajor = 2;

// The first bytes of a state, little endian as every machine that runs this.
struct StateHead {
  uint8_t identifier[4];
  uint16_t major, minor;
  uint64_t bytes;  // of the whole state
  uint32_t kv_format;
  uint32_t position;  // number of tokens
  uint32_t layers, kv_heads, head_size, vocabulary_size;
  uint8_t content_digest[kSha256Bytes];
  uint8_t head_digest[kSha256Bytes];
  uint8_t delta_digest[24];  // what fits of it; zeros without a delta
};
static_assert(sizeof(StateHead) == 128);

struct Digest {
  uint8_t bytes[kSha256Bytes];
};

Digest DigestOf(const void* bytes, size_t count) {
  Sha256Hasher hasher;
  hasher.Add(bytes, count);
  Digest digest;
  hasher.Finish(digest.bytes);
  return digest;
}

// Sizes are those of memory that exists, or of files that do.
uint64_t TotalBytes(const Config& config, uint32_t kv_format, uint32_t position) {
  const CacheBytes of = CacheBytesOf(config.head_size, kv_format);
  // Keys of int8 are padded in the room alone.
  const uint64_t key = HasInt8Keys(kv_format) ? config.head_size : of.key;
  const uint64_t bytes = key + of.value + of.key_scale + of.value_scale;
  return sizeof(StateHead) + position * (sizeof(uint32_t) + config.layers * config.kv_heads * bytes) +
         kSha256Bytes;
}

StateHead HeadOf(const Model& model, uint32_t kv_format, uint32_t position) {
  const Config& config = model.config;
  StateHead head = {};
  std::memcpy(head.identifier, kIdentifier, sizeof(kIdentifier));
  head.major = kMajor;
  head.minor = kMinor;
  head.bytes = TotalBytes(config, kv_format, position);
  head.kv_format = kv_format;
  head.position = position;
  head.layers = config.layers;
  head.kv_heads = config.kv_heads;
  head.head_size = config.head_size;
  head.vocabulary_size = config.vocabulary_size;
  std::memcpy(head.content_digest, ContentDigest(model), kSha256Bytes);
  const Digest digest = DigestOf(model.bytes, static_cast<size_t>(HeadBytes(model)));
  std::memcpy(head.head_digest, digest.bytes, kSha256Bytes);
  if (kHasDeltas && model.delta != nullptr) {
    const Digest delta = DigestOf(model.delta_bytes, static_cast<size_t>(DeltaFileBytes(model)));
    std::memcpy(head.delta_digest, delta.bytes, sizeof(head.delta_digest));
    head.major = kDeltaMajor;
  }
  return head;
}

// Positions [0, count) of a key head, as schemas/STATE.md has them.
uint8_t* PackHead(const LayerShape& shape, const KvCache& cache, size_t sequence, size_t head, size_t count,
                  uint8_t* to) {
  const size_t size = shape.head_size;
  if (cache.floats.keys != nullptr) return PackKv(FloatHead(shape, cache, sequence, head), size, count, to);
  if (kHasInt8Cache && cache.int8.keys != nullptr) {
    to = PackKv(Int8Head(shape, cache, sequence, head), size, count, to);
  }
  const LatticeHead* const both[] = {&cache.lattice_keys, &cache.lattice_values};
  for (const LatticeHead* first : both) {
    if (!kHasLatticeCache || first->words == nullptr) continue;
    to = PackLattice(LatticeOf(*first, shape, cache, sequence, head), size, count, to);
  }
  return to;
}

const uint8_t* UnpackHead(const LayerShape& shape, const KvCache& cache, size_t sequence, size_t head,
                          size_t count, const uint8_t* from) {
  const size_t size = shape.head_size;
  if (cache.floats.keys != nullptr)
    return UnpackKv(from, size, count, FloatHead(shape, cache, sequence, head));
  if (kHasInt8Cache && cache.int8.keys != nullptr) {
    from = UnpackKv(from, size, count, Int8Head(shape, cache, sequence, head));
  }
  const LatticeHead* const both[] = {&cache.lattice_keys, &cache.lattice_values};
  for (const LatticeHead* first : both) {
    if (!kHasLatticeCache || first->words == nullptr) continue;
    from = UnpackLattice(from, size, count, LatticeOf(*first, shape, cache, sequence, head));
  }
  return from;
}

// That these are the bytes that were saved: identifier, version, length and digest.
Status CheckBytes(const uint8_t* state, uint64_t bytes, StateHead* head) {
  if (bytes < sizeof(StateHead) + kSha256Bytes) return CLLM_STATE_TRUNCATED;
  std::memcpy(head, state, sizeof(*head));
  if (std::memcmp(head->identifier, kIdentifier, sizeof(kIdentifier)) != 0) return CLLM_STATE_NOT_STATE;
  if (head->major != kMajor && head->major != kDeltaMajor) return CLLM_STATE_VERSION;
  if (head->bytes > bytes) return CLLM_STATE_TRUNCATED;
  if (head->bytes < bytes) return CLLM_STATE_DAMAGED;
  const auto covered = static_cast<size_t>(bytes) - kSha256Bytes;
  const Digest digest = DigestOf(state, covered);
  return std::memcmp(digest.bytes, state + covered, kSha256Bytes) == 0 ? CLLM_OK : CLLM_STATE_DAMAGED;
}

}  // namespace

Status Session::StateBytes(uint32_t stream, uint64_t* bytes) const {
  if (stream >= plan_.limits.streams) return CLLM_STREAM_RANGE;
  if (ContentDigest(model_) == nullptr) return CLLM_STATE_NO_DIGEST;
  *bytes = TotalBytes(model_.config, plan_.limits.kv_format, streams()[stream].position);
  return CLLM_OK;
}

Status Session::Save(uint32_t stream, void* state, uint64_t capacity) const {
  uint64_t bytes;
  CLLM_RETURN_IF_ERROR(StateBytes(stream, &bytes));
  if (capacity < bytes) return CLLM_BUFFER_TOO_SMALL;
  const uint32_t position = streams()[stream].position;
  const StateHead head = HeadOf(model_, plan_.limits.kv_format, position);
  auto* to = static_cast<uint8_t*>(state);
  std::memcpy(to, &head, sizeof(head));
  to += sizeof(head);
  std::memcpy(to, HistoryOf(stream), position * sizeof(uint32_t));
  to += position * sizeof(uint32_t);
  for (uint32_t layer = 0; layer < model_.config.layers; ++layer) {
    const KvCache cache = CacheOf(layer);
    for (size_t h = 0; h < shape_.kv_heads; ++h) {
      to = PackHead(shape_, cache, stream, h, position, to);
    }
  }
  const Digest digest = DigestOf(state, static_cast<size_t>(bytes) - kSha256Bytes);
  std::memcpy(to, digest.bytes, kSha256Bytes);
  return CLLM_OK;
}

// Whoever can make a digest can state any keys and values: they are numbers like those of weights, and no
// kernel leaves its bounds for any of them. Tokens and lengths are checked.
Status Session::Restore(uint32_t stream, const void* state, uint64_t bytes) {
  if (stream >= plan_.limits.streams) return CLLM_STREAM_RANGE;
  if (ContentDigest(model_) == nullptr) return CLLM_STATE_NO_DIGEST;
  StateHead head;
  const auto* from = static_cast<const uint8_t*>(state);
  CLLM_RETURN_IF_ERROR(CheckBytes(from, bytes, &head));
  StateHead expected = HeadOf(model_, head.kv_format, head.position);
  const size_t numbers = offsetof(StateHead, layers), end = offsetof(StateHead, delta_digest);
  if (std::memcmp(&head.layers, &expected.layers, end - numbers) != 0) return CLLM_STATE_MODEL;
  if (head.major != expected.major ||
      std::memcmp(head.delta_digest, expected.delta_digest, sizeof(head.delta_digest)) != 0) {
    return CLLM_STATE_DELTA;
  }
  if (head.kv_format != plan_.limits.kv_format) return CLLM_STATE_KV_FORMAT;
  if (head.position > plan_.limits.context) return CLLM_CONTEXT_FULL;
  if (head.bytes != expected.bytes) return CLLM_STATE_DAMAGED;
  from += sizeof(head);
  for (uint32_t i = 0; i < head.position; ++i) {
    uint32_t token;
    std::memcpy(&token, from + i * sizeof(token), sizeof(token));
    if (token >= model_.config.vocabulary_size) return CLLM_TOKEN_RANGE;
  }
  CLLM_RETURN_IF_ERROR(Rewind(stream, 0));
  if (head.position == 0) return CLLM_OK;
  TakeState(stream, head.position, from);
  // The last token is fed anew: that gives the logits, which a state need not hold.
  const uint32_t last = --streams()[stream].position;
  const uint32_t token = HistoryOf(stream)[last];
  const cllm_stream_feed feed = {stream, 1, &token};
  return FeedStreams(&feed, 1);
}

void Session::TakeState(uint32_t stream, uint32_t position, const uint8_t* from) {
  std::memcpy(HistoryOf(stream), from, position * sizeof(uint32_t));
  from += position * sizeof(uint32_t);
  for (uint32_t layer = 0; layer < model_.config.layers; ++layer) {
    const KvCache cache = CacheOf(layer);
    for (size_t h = 0; h < shape_.kv_heads; ++h) {
      from = UnpackHead(shape_, cache, stream, h, position, from);
    }
  }
  streams()[stream].position = position;
}

}  // namespace cllm
