// Room: model. Verified views of a .cllm file's bytes: distrust ends here. Reads file bytes, writes nothing
// but the view. Only model/*.cc include the generated schema.
#ifndef CLLM_MODEL_MODEL_H_
#define CLLM_MODEL_MODEL_H_

#include <cstdint>

#include "base/features.h"
#include "base/layout.h"
#include "base/status.h"
#include "base/variant.h"

namespace cllm {

// The same values as the schema's enumerations (checked by static_assert in model.cc).
enum class Role : uint8_t {
  kTokenEmbedding = 0,
  kPositionEmbedding = 1,
  kAttentionNorm = 2,
  kQueryKeyValue = 3,
  kQueryKeyValueBias = 4,
  kQueryNorm = 5,
  kKeyNorm = 6,
  kAttentionOutput = 7,
  kAttentionOutputBias = 8,
  kAttentionPostNorm = 9,
  kFeedForwardNorm = 10,
  kGateUp = 11,
  kGateUpBias = 12,
  kDown = 13,
  kDownBias = 14,
  kFeedForwardPostNorm = 15,
  kFinalNorm = 16,
  kHead = 17,
};

enum class Dtype : uint8_t {
  kF32 = 0,
  kBf16 = 1,
  kI8 = 2,
  kI4 = 3,
  kLattice2 = 4,
  kLattice3 = 5,
  kLattice4 = 6,
  kFactors = 255,  // in no file: what the trainer has rounded for mixed precision (kernels/mixed.h)
};

constexpr bool IsLattice(Dtype dtype) {
  return kHasLattice && dtype >= Dtype::kLattice2 && dtype <= Dtype::kLattice4;
}
constexpr int FineBits(Dtype dtype) { return static_cast<int>(dtype) - static_cast<int>(Dtype::kLattice2); }

// Products of integers, class A of the arithmetic contract (DESIGN.md section 5).
constexpr bool IsInteger(Dtype dtype) {
  return dtype == Dtype::kI8 || dtype == Dtype::kI4 || IsLattice(dtype);
}

// Whether products take the sums of the inputs by groups.
constexpr bool TakesGroupSums(Dtype dtype) { return dtype == Dtype::kI4 || IsLattice(dtype); }

// Narrower formats have larger numbers.
constexpr int Narrowness(Dtype dtype) {
  return IsLattice(dtype) ? static_cast<int>(Dtype::kLattice4) - FineBits(dtype) : static_cast<int>(dtype);
}

enum class RopePairs : uint8_t { kAdjacent = 0, kHalves = 1 };
enum class TokenizerKind : uint8_t {
  kNone = 0,
  kByteBpe = 1,
  kScoredMerges = 2,
  kCharacters = 3,
  kWordPiece = 4,
  kWords = 5,
  kUnigram = 6,
};
enum class Pretokenizer : uint8_t {
  kWhole = 0,
  kWords = 1,
  kGpt2 = 2,
  kLlama3 = 3,
  kQwen2 = 4,
  kDigits = 5,
  kSpaces = 6,
  kBert = 7,
};
enum class TextForm : uint8_t { kAny = 0, kNfc = 1, kSteps = 2 };

// A token that is found in the text as it is spelled, before the text is cut into words.
struct AddedToken {
  enum Flag : uint32_t {
    kControl = 1,     // found only where the caller asks for it, and gives no text
    kStripLeft = 2,   // takes the whitespace before it along
    kStripRight = 4,  // and after it
    kLate = 8,        // found in what those without it leave
    kEnds = 16,       // ends an answer, as end_token does
    kFlags = 31,
  };
  uint32_t token;
  uint32_t flags;
};

// A node of the trie of a unigram tokenizer's pieces: the child by a byte is base + byte, if that has this
// node for its parent. The root is node 0.
struct TrieNode {
  uint32_t base;
  uint32_t parent;
  uint32_t token;  // whose piece ends here; CLLM_NO_TOKEN: none
};
struct AddedTokens {
  uint32_t first_bytes[2][8];  // bit b: one begins with byte b; of those without and with kLate
  AddedToken rows[1];          // [added_count], ascending by the bytes of their pieces; none is empty
};

// What the runtime can run; other values were refused by open. Counts are unpadded.
struct Config {
  uint32_t vocabulary_size;
  uint32_t context;
  uint32_t width;
  uint32_t layers;
  uint32_t heads;
  uint32_t kv_heads;   // divides heads
  uint32_t head_size;  // even
  uint32_t hidden;
  float norm_epsilon;
  RopePairs rope_pairs;
  bool tied_head;
  Variant variant;
  Dtype weights;               // of the matrices, the narrowest; all are floats or all integers
  const uint64_t* rope_turns;  // [rotary / 2], in the file; little endian, 8-byte aligned
#ifndef CLLM_WITHOUT_VARIANTS
  const uint64_t* window_rope_turns;  // likewise, of layers with a window; or nullptr
#endif
  uint32_t adapter_rank;  // the largest of the applied delta's adapters; 0: there is none
};

// A matrix in panels (base/layout.h) or `rows` vectors of PaddedRow(columns) floats each.
struct Tensor {
  const void* data;        // 64-byte aligned
  const uint16_t* scales;  // of integers: bf16 [rows padded to 16]; else nullptr
  uint32_t rows;
  uint32_t columns;
  uint32_t adapter;  // AdapterNumber, or 0: it has none
  Dtype dtype;
};

// Beside a matrix, whose product becomes W x + outer^T (scale inner x) (Hu et al., "LoRA", arXiv 2106.09685).
struct Adapter {
  const float* factors;  // inner [rank][PaddedRow(columns)], then outer [rank][rows as stored]
  float scale;
  uint32_t rank;

  const float* inner() const { return factors; }
  const float* outer(size_t columns) const {
    return factors + rank * static_cast<size_t>(PaddedRow(columns));
  }
};

// Adapters of a model by number: four a layer, from 1 on. 0 for tensors that have none.
inline constexpr uint32_t kAdaptersPerLayer = 4;
constexpr uint32_t AdapterNumber(Role role, uint32_t layer) {
  const uint32_t place = role == Role::kQueryKeyValue     ? 1
                         : role == Role::kAttentionOutput ? 2
                         : role == Role::kGateUp          ? 3
                         : role == Role::kDown            ? 4
                                                          : 0;
  return place != 0 ? kAdaptersPerLayer * layer + place : 0;
}

// Tables of the tokenizer, verified: offsets ascend and end inside the bytes, every id is below the
// vocabulary size, the index's slots refer to existing entries and it has an empty slot.
struct TokenizerView {
  TokenizerKind kind;
  Pretokenizer pretokenizer;
  bool prefix_space;
  bool prefix_once;
  bool prefix_unless_space;
  bool block_is_space;
  TextForm text_form;
  uint32_t begin_token;  // CLLM_NO_TOKEN: none, as for the next three
  uint32_t end_token;
  uint32_t unknown_token;
  uint32_t byte_token_base;
  uint32_t count;           // = vocabulary size
  const uint32_t* offsets;  // [count + 1] into bytes
  const char* bytes;
  const float* scores;     // [count] or nullptr
  const uint32_t* merges;  // [merge_count][3]: left, right, result; by rank; or nullptr
  uint32_t merge_count;
  const uint32_t* index;  // [index_slots], a power of two; see schemas/FORMAT.md; or nullptr
  uint32_t index_slots;
  uint32_t word_slots;
  const uint32_t* words;        // [word_slots] likewise, of tokens; or nullptr
  const uint32_t* byte_tokens;  // [256] tokens or CLLM_NO_TOKEN; or nullptr: byte_token_base tells
  const AddedTokens* added;     // or nullptr
  uint32_t added_count;
#ifndef CLLM_WITHOUT_ALL_TOKENIZERS
  bool squeeze_spaces;
  bool float_sums;
  uint32_t trie_nodes;
  const TrieNode* trie;             // [trie_nodes], or nullptr
  const double* log_probabilities;  // [count + 1], the last of an unknown character; or nullptr
  const char* normalizer;           // [normalizer_bytes], JSON for the host
  uint32_t normalizer_bytes;
#endif
};

struct Model {
  Config config;
  TokenizerView tokenizer;
  const void* head;   // the verified FlatBuffer root
  const void* delta;  // likewise of the delta that is applied (model/delta.h); or nullptr
  const uint8_t* bytes;
  const uint8_t* delta_bytes;
  uint64_t size;
  uint32_t tensor_count;
  uint64_t parameters;
  uint64_t weight_bytes;
};

Status OpenModel(const void* bytes, uint64_t size, Model* model);

// Bytes of the head at the file's start: the configuration, and the digest of every segment.
uint64_t HeadBytes(const Model& model);

// The tensor of this role and layer; layer 0 for roles outside the layers. Every tensor that the
// configuration calls for exists; another one's data is nullptr. A tied head is the token embedding.
Tensor FindTensor(const Model& model, Role role, uint32_t layer);

// SHA-256 of the file's contents as its writer noted it, 32 bytes; or nullptr.
const uint8_t* ContentDigest(const Model& model);

// Entry `index` of the tensor table, index < tensor_count; as the delta has it, if one is applied.
struct TableEntry {
  Role role;
  uint32_t layer;
  Tensor tensor;
  uint64_t bytes;
  Adapter adapter;  // rank 0: there is none
};
TableEntry TensorAt(const Model& model, uint32_t index);

}  // namespace cllm

#endif  // CLLM_MODEL_MODEL_H_
