// Room: model. The steps of OpenModel, one file each. Included by model/*.cc only: it needs the generated
// schema, which no other room sees.
#ifndef CLLM_MODEL_HEAD_H_
#define CLLM_MODEL_HEAD_H_

#include <cstdint>

#include "base/status.h"
#include "flatbuffers/base.h"
#include "model/model.h"

// The verifier divides the largest size of a buffer, 2^31 - 1, by that of an element. Firmware divides in 32
// bits: in 64 it needs 700 bytes of the compiler's library, for this alone.
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
#undef FLATBUFFERS_MAX_BUFFER_SIZE
#define FLATBUFFERS_MAX_BUFFER_SIZE 0x7FFFFFFFu
#endif

#include "schemas/model_generated.h"

namespace cllm {

inline constexpr uint16_t kFormatMajor = 1;

// The verified FlatBuffer at the start of bytes, and its length with the size prefix.
struct Head {
  const schema::Model* root;
  uint64_t bytes;
};
Status VerifyHead(const uint8_t* bytes, uint64_t size, Head* head);

// Hands out the file's segments in file order: each is 64-byte aligned, inside the file and after the one
// before, so that none overlap.
class SegmentReader {
 public:
  SegmentReader(const uint8_t* bytes, uint64_t head_bytes, uint64_t file_bytes)
      : bytes_(bytes), end_(head_bytes), head_bytes_(head_bytes), file_bytes_(file_bytes) {}

  Status Next(const schema::Segment& segment, const uint8_t** data);

 private:
  const uint8_t* bytes_;
  uint64_t end_;  // of the last segment
  uint64_t head_bytes_;
  uint64_t file_bytes_;
};

// Refuses every switch that the runtime cannot run, each with its own status.
Status CheckSwitches(const schema::Config& config);

// bytes: the file's start, that rope_turns must be 8-byte aligned to.
Status ReadConfig(const schema::Config& stored, const uint8_t* bytes, Config* config);

// Fills config.weights, parameters, weight_bytes and tensor_count of the model, whose config is read.
Status ReadTensors(const schema::Model& root, SegmentReader* segments, Model* model);

// stored may be nullptr: no tokenizer.
Status ReadTokenizer(const schema::Tokenizer* stored, uint32_t vocabulary_size, SegmentReader* segments,
                     TokenizerView* view);

}  // namespace cllm

#endif  // CLLM_MODEL_HEAD_H_
