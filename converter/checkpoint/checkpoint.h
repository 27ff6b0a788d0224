// Room: converter/checkpoint. Named float tensors, a configuration and a tokenizer, in memory or read as they
// are wanted: what every step of the converter takes and gives. Tensors are row-major and unpadded here;
// panels, padding and quantisation happen in converter/export, and are undone in converter/import.
#ifndef CLLM_CONVERTER_CHECKPOINT_CHECKPOINT_H_
#define CLLM_CONVERTER_CHECKPOINT_CHECKPOINT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cllm/cllm.h"
#include "model/model.h"

namespace cllm {

// The architecture: Llama's, but for the variant. Owns what runtime's Config only points to.
struct Architecture {
  uint32_t vocabulary_size = 0;
  uint32_t context = 0;
  uint32_t width = 0;
  uint32_t layers = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_size = 0;
  uint32_t hidden = 0;
  float norm_epsilon = 1e-5f;
  RopePairs rope_pairs = RopePairs::kAdjacent;
  double rope_theta = 10000.0;              // used when rope_turns is empty
  std::vector<uint64_t> rope_turns;         // [rotary / 2] fractions of 2^64 of a turn a position
  std::vector<uint64_t> window_rope_turns;  // likewise, of layers with a window, with variant.window_rope
  bool tied_head = true;
  Variant variant;
};

// Tokenizer tables as the converter makes or reads them; converter/tokenizer turns them into the file's.
inline constexpr double kNeverFound = -1e10;

struct TokenizerTables {
  TokenizerKind kind = TokenizerKind::kNone;
  Pretokenizer pretokenizer = Pretokenizer::kWhole;
  bool prefix_space = false;
  bool prefix_once = false;          // with prefix_space: not before what follows an added token
  bool prefix_unless_space = false;  // and not before a space
  bool block_is_space = false;       // U+2581 in a text is a space
  bool squeeze_spaces = false;       // unigram: of spaces in a row the first counts, at the ends none
  bool float_sums = false;           // unigram: sums of scores are rounded to float32
  TextForm text_form = TextForm::kAny;
  uint32_t begin_token = CLLM_NO_TOKEN;
  uint32_t end_token = CLLM_NO_TOKEN;
  uint32_t unknown_token = CLLM_NO_TOKEN;
  uint32_t byte_token_base = CLLM_NO_TOKEN;
  std::vector<std::string> pieces;  // by token id
  std::vector<float> scores;        // by token id; scored merges only
  // By token id, and then of an unknown character; unigram only. Tokens of kNeverFound or less no text leads
  // to.
  std::vector<double> log_probabilities;
  struct Merge {
    uint32_t left, right, result;
  };
  std::vector<Merge> merges;           // by rank; byte-level BPE only
  std::vector<uint32_t> byte_tokens;   // [256], or empty: byte_token_base tells
  std::vector<uint32_t> words;         // tokens of words that do not merge; byte-level BPE only
  std::map<uint32_t, uint32_t> added;  // flags of AddedToken by token id
  std::string chat_template;           // Jinja, as the source has it; empty: there is none
  std::string normalizer;              // JSON (schemas/TOKENIZER.md); empty: texts stay as they are
};

struct Provenance {
  std::string source;
  std::string licence;
  std::string recipe;  // JSON
};

struct FloatTensor {
  uint32_t rows = 0;  // 1 for vectors
  uint32_t columns = 0;
  std::vector<float> values;  // [rows][columns]
  // Where it is set there are no values: it reads them, each time anew, so that a model that is larger than
  // memory can be a checkpoint. LoadTensor takes both kinds.
  std::function<absl::StatusOr<std::vector<float>>()> source = nullptr;
};

// A tensor's place: role and layer (0 outside the layers). gate_up, and so its bias, is [2 hidden][width]
// here: all gate rows, then all up rows; without a gate [hidden][width].
using TensorKey = std::pair<Role, uint32_t>;

struct Checkpoint {
  Architecture architecture;
  TokenizerTables tokenizer;
  std::string without_tokenizer;  // why the source's tokenizer was left behind, if it was
  Provenance provenance;
  std::map<TensorKey, FloatTensor> tensors;
};

// "layers.3.gate_up", "token_embedding".
std::string TensorName(const TensorKey& key);

// rope_turns for an unscaled RoPE: theta^(-2 i / rotary) / (2 pi) turns, rounded to 2^-64. In integers,
// so that every host gives the same bits. theta: finite, at least 1.
std::vector<uint64_t> RopeTurns(double theta, uint32_t rotary);

// What tensors a configuration has, with their unpadded shapes, sorted by key.
std::map<TensorKey, std::pair<uint32_t, uint32_t>> TensorShapes(const Architecture& architecture);

// The same for the runtime's arithmetic (shapes, plans): float32 weights, and no rope_turns.
Config ToConfig(const Architecture& architecture);

// OK if every size is in the file format's range, so that lists may be made of as many. Errors name the
// number.
absl::Status CheckSizes(const Architecture& architecture);

// OK if every number is in the file format's range. Errors name the number.
absl::Status CheckArchitecture(const Architecture& architecture);

// OK if the architecture is in range and exactly its tensors are there, of the right shapes and, but for
// those with a source, finite. Errors name the number or the tensor.
absl::Status CheckCheckpoint(const Checkpoint& checkpoint);

// The tensor, and its values if it has a source. Errors: those of the source; a value that is not finite.
absl::StatusOr<FloatTensor> LoadTensor(const TensorKey& key, const FloatTensor& tensor);

// Loads all tensors that have a source, so that none has.
absl::Status LoadTensors(Checkpoint* checkpoint);

// The checkpoint, if there is one, with all its tensors loaded.
absl::StatusOr<Checkpoint> Loaded(absl::StatusOr<Checkpoint> checkpoint);

}  // namespace cllm

#endif  // CLLM_CONVERTER_CHECKPOINT_CHECKPOINT_H_
