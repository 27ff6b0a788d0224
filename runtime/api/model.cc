// Room: api. Translates cllm_model_*, cllm_status_name and cllm_version.
#include <cstring>

#include "api/arguments.h"
#include "api/model_view.h"
#include "cllm/cllm.h"
#include "model/delta.h"
#include "model/model.h"

#define CLLM_QUOTE(x) #x
#define CLLM_DOTTED(major, minor, patch) CLLM_QUOTE(major) "." CLLM_QUOTE(minor) "." CLLM_QUOTE(patch)

cllm_status cllm_model_open(const void* bytes, uint64_t size, cllm_model* model) {
  if (model == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model opened = {};
  const cllm_status status = cllm::OpenModel(bytes, size, &opened);
  // After a failure the storage holds an empty model, which describe refuses.
  std::memset(model, 0, sizeof(*model));
  std::memcpy(model->opaque, &opened, sizeof(opened));
  return status;
}

cllm_status cllm_model_apply(const cllm_model* base, const void* bytes, uint64_t size, cllm_model* model) {
  if (cllm::AnyNull(base, bytes, model)) return CLLM_NULL_ARGUMENT;
  cllm::Model view;
  CLLM_RETURN_IF_ERROR(cllm::GetView(base, &view));
  CLLM_RETURN_IF_ERROR(cllm::ApplyDelta(view, bytes, size, &view));
  std::memset(model, 0, sizeof(*model));
  std::memcpy(model->opaque, &view, sizeof(view));
  return CLLM_OK;
}

cllm_status cllm_model_describe(const cllm_model* model, cllm_model_info* info) {
  if (model == nullptr || info == nullptr) return CLLM_NULL_ARGUMENT;
  if (info->struct_size != sizeof(cllm_model_info)) return CLLM_STRUCT_SIZE;
  cllm::Model opened;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &opened));
  const cllm::Config& config = opened.config;
  info->vocabulary_size = config.vocabulary_size;
  info->context = config.context;
  info->width = config.width;
  info->layers = config.layers;
  info->heads = config.heads;
  info->kv_heads = config.kv_heads;
  info->head_size = config.head_size;
  info->hidden = config.hidden;
  info->weight_format = static_cast<uint32_t>(config.weights);
  info->tied_head = config.tied_head ? 1 : 0;
  info->begin_token = opened.tokenizer.begin_token;
  info->end_token = opened.tokenizer.end_token;
  info->tensors = opened.tensor_count;
  info->parameters = opened.parameters;
  info->weight_bytes = opened.weight_bytes;
  return CLLM_OK;
}

const char* cllm_version(void) {
  return CLLM_DOTTED(CLLM_VERSION_MAJOR, CLLM_VERSION_MINOR, CLLM_VERSION_PATCH);
}

// The texts are 3 KB, which firmware would rather have for code (runtime/CMakeLists.txt).
#ifdef CLLM_WITHOUT_STATUS_TEXTS
#define CLLM_STATUS_WORDS(name, text) #name
#else
#define CLLM_STATUS_WORDS(name, text) #name ": " text
#endif
#define CLLM_STATUS_TEXT(name, text) \
  case name: return CLLM_STATUS_WORDS(name, text)

// A build without deltas never gives these statuses, and spares their texts.
#ifdef CLLM_WITHOUT_DELTAS
#define CLLM_DELTA_TEXT(name, text) \
  case name:                        \
    break
#else
#define CLLM_DELTA_TEXT(name, text) CLLM_STATUS_TEXT(name, text)
#endif

// Likewise one without signatures.
#ifdef CLLM_WITHOUT_SIGNATURES
#define CLLM_SIGNATURE_TEXT(name, text) \
  case name:                            \
    break
#else
#define CLLM_SIGNATURE_TEXT(name, text) CLLM_STATUS_TEXT(name, text)
#endif

// No default: the compiler then warns of a status without a text.
const char* cllm_status_name(cllm_status status) {
  switch (status) {
    CLLM_STATUS_TEXT(CLLM_OK, "success");
    CLLM_STATUS_TEXT(CLLM_NULL_ARGUMENT, "a pointer that must not be NULL is");
    CLLM_STATUS_TEXT(CLLM_STRUCT_SIZE, "struct_size is not that of a known version of the struct");
    CLLM_STATUS_TEXT(CLLM_MISALIGNED, "bytes, room or scratch do not start at a multiple of CLLM_ALIGNMENT");
    CLLM_STATUS_TEXT(CLLM_ROOM_TOO_SMALL, "the room or scratch is smaller than measured");
    CLLM_STATUS_TEXT(CLLM_BUFFER_TOO_SMALL, "an output buffer holds fewer items than there are");
    CLLM_STATUS_TEXT(CLLM_LIMIT_CONTEXT, "limits.context is over the model's");
    CLLM_STATUS_TEXT(CLLM_LIMIT_BATCH, "limits.batch is out of range");
    CLLM_STATUS_TEXT(CLLM_LIMIT_STREAMS, "limits.streams is out of range");
    CLLM_STATUS_TEXT(CLLM_LIMIT_KV_FORMAT, "limits.kv_format is not supported");
    CLLM_STATUS_TEXT(CLLM_LIMIT_LOGITS, "limits.logits_rows is neither 1 nor the batch");
    CLLM_STATUS_TEXT(CLLM_LIMIT_LENGTH, "sequences or length of the trainer's limits are out of range");
    CLLM_STATUS_TEXT(CLLM_TOKEN_RANGE, "a token id is not below the vocabulary size");
    CLLM_STATUS_TEXT(CLLM_CONTEXT_FULL, "the tokens do not fit into what is left of the context");
    CLLM_STATUS_TEXT(CLLM_POSITION_RANGE, "the position was never reached");
    CLLM_STATUS_TEXT(CLLM_NO_LOGITS, "no token was fed since the start or the last rewind");
    CLLM_STATUS_TEXT(CLLM_SAMPLING_RANGE, "a sampling parameter is out of range or not a number");
    CLLM_STATUS_TEXT(CLLM_TEXT_NOT_ENCODABLE, "the text has a character that the vocabulary cannot express");
    CLLM_STATUS_TEXT(CLLM_OPTIMIZER_RANGE, "an optimiser parameter is out of range or not a number");
    CLLM_STATUS_TEXT(CLLM_INDEX_RANGE, "a tensor index is not below the tensor count");
    CLLM_STATUS_TEXT(CLLM_NOT_TRAINABLE,
                     "training needs float32 weights, fine-tuning an architecture like Llama's");
    CLLM_STATUS_TEXT(CLLM_MODEL_NOT_OPEN, "cllm_model_open has not succeeded on this model");
    CLLM_STATUS_TEXT(CLLM_LIMIT_METHOD, "the method of updates is none that the trainer knows");
    CLLM_STATUS_TEXT(CLLM_STREAM_RANGE, "there is no such stream");
    CLLM_STATUS_TEXT(CLLM_STREAM_REPEATED, "a stream is named twice in one call");
    CLLM_STATUS_TEXT(CLLM_LIMIT_PRECISION, "the precision of products is none that this build has");
    CLLM_STATUS_TEXT(
        CLLM_LIMIT_KV_HEAD_SIZE,
        "keys and values on the lattice need heads of a multiple of 8 numbers: keep them as int8");
    CLLM_DELTA_TEXT(CLLM_LIMIT_TUNING, "what is tuned, rank or alpha of the tuner's limits are out of range");
    CLLM_DELTA_TEXT(CLLM_TUNER_STATE, "the state is of a tuner of another model, other tensors or method");
    CLLM_STATUS_TEXT(CLLM_FILE_TRUNCATED, "fewer bytes than the head or its segments claim");
    CLLM_STATUS_TEXT(CLLM_FILE_NOT_CLLM, "the identifier is not CLLM");
    CLLM_STATUS_TEXT(CLLM_FILE_VERSION, "a major version of the format that this runtime does not read");
    CLLM_STATUS_TEXT(CLLM_FILE_HEAD, "the FlatBuffer head does not verify");
    CLLM_STATUS_TEXT(CLLM_FILE_CONFIG_RANGE, "a number of the configuration is out of range or inconsistent");
    CLLM_STATUS_TEXT(CLLM_FILE_TENSOR_MISSING, "a tensor that the configuration needs is absent");
    CLLM_STATUS_TEXT(CLLM_FILE_TENSOR_UNKNOWN,
                     "a tensor is not the configuration's, or twice, or out of order");
    CLLM_STATUS_TEXT(CLLM_FILE_TENSOR_SHAPE,
                     "a tensor's shape, type or bytes disagree with the configuration");
    CLLM_STATUS_TEXT(CLLM_FILE_SEGMENT_RANGE, "a segment lies outside the file or inside the head");
    CLLM_STATUS_TEXT(CLLM_FILE_SEGMENT_ALIGNMENT, "a segment does not start at a multiple of 64");
    CLLM_STATUS_TEXT(CLLM_FILE_SEGMENT_OVERLAP,
                     "two segments share bytes or are not in the order of the table");
    CLLM_STATUS_TEXT(CLLM_FILE_TOKENIZER, "the tokenizer's tables are inconsistent");
    CLLM_DELTA_TEXT(CLLM_DELTA_TRUNCATED, "the delta has fewer bytes than it claims");
    CLLM_DELTA_TEXT(CLLM_DELTA_NOT_DELTA, "the identifier is not CLMD");
    CLLM_DELTA_TEXT(CLLM_DELTA_VERSION, "a major version of deltas that this runtime does not read");
    CLLM_DELTA_TEXT(CLLM_DELTA_HEAD, "the delta's FlatBuffer head does not verify");
    CLLM_DELTA_TEXT(CLLM_DELTA_BASE, "the delta was made for another model, or the model has one already");
    CLLM_DELTA_TEXT(CLLM_DELTA_ENTRY_UNKNOWN,
                    "the delta changes a tensor that the model has not, or twice, or out of order");
    CLLM_DELTA_TEXT(CLLM_DELTA_ENTRY_SHAPE, "rank, type or bytes of a change disagree with the model");
    CLLM_DELTA_TEXT(CLLM_DELTA_SEGMENT_RANGE, "a segment of the delta lies outside it or inside its head");
    CLLM_DELTA_TEXT(CLLM_DELTA_SEGMENT_ALIGNMENT,
                    "a segment of the delta does not start at a multiple of 64");
    CLLM_DELTA_TEXT(CLLM_DELTA_SEGMENT_OVERLAP, "two segments of the delta share bytes");
    CLLM_STATUS_TEXT(CLLM_STATE_TRUNCATED, "fewer bytes than the saved state claims");
    CLLM_STATUS_TEXT(CLLM_STATE_NOT_STATE, "this is no saved state of a session");
    CLLM_STATUS_TEXT(CLLM_STATE_VERSION, "a version of saved states that this runtime does not read");
    CLLM_STATUS_TEXT(CLLM_STATE_DAMAGED, "the bytes are not those of the state that was saved");
    CLLM_STATUS_TEXT(CLLM_STATE_MODEL, "the state was saved with another model file");
    CLLM_STATUS_TEXT(CLLM_STATE_KV_FORMAT, "the state was saved with another format of keys and values");
    CLLM_STATUS_TEXT(CLLM_STATE_NO_DIGEST, "the model states no digest of its contents");
    CLLM_STATUS_TEXT(CLLM_STATE_DELTA, "the state was saved with another delta, or one of both has none");
    CLLM_STATUS_TEXT(CLLM_STORE_GEOMETRY, "the flash's units, blocks or their number are out of range");
    CLLM_STATUS_TEXT(CLLM_STORE_FLASH, "the flash failed, or reads otherwise than what was written");
    CLLM_STATUS_TEXT(CLLM_STORE_RANGE, "bytes beyond a content, or more or fewer than were announced or fit");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_NORM, "this norm does not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_NORM_PLACEMENT, "this place of norms does not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_ACTIVATION, "this activation does not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_UNGATED, "feed-forward blocks without a gate do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_POSITION, "these positions do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_BIAS, "biases do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_QK_NORM, "norms of queries and keys do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_SOFTCAP, "soft caps do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_SCALE,
                     "scales of embedding, residual, attention or logits do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_SLIDING_WINDOW, "sliding windows do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_EMBEDDING_KIND, "only embedding tables run yet");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_HEAD_KIND, "only full output heads run yet");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_DTYPE, "weights of this type do not run in this build");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_TOKENIZER, "the kind of tokenizer or pretokenizer does not run yet");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_PARALLEL_BLOCK, "parallel blocks do not run here");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_DELTA, "this build has no deltas");
    CLLM_SIGNATURE_TEXT(CLLM_SIGNATURE_MISSING, "the file was never signed");
    CLLM_SIGNATURE_TEXT(CLLM_SIGNATURE_STRIPPED, "the file was signed, and its signature is gone");
    CLLM_SIGNATURE_TEXT(CLLM_SIGNATURE_KEY, "the file was signed with another key");
    CLLM_SIGNATURE_TEXT(CLLM_SIGNATURE_WRONG, "the head is not what the owner of the key signed");
    CLLM_SIGNATURE_TEXT(CLLM_SIGNATURE_BLOCKS, "the tree of digests does not cover the file");
    CLLM_SIGNATURE_TEXT(CLLM_BLOCK_DAMAGED, "a block is not what the signed head stands for");
    CLLM_SIGNATURE_TEXT(CLLM_PATCH_TRUNCATED, "the patch has fewer bytes than it claims");
    CLLM_SIGNATURE_TEXT(CLLM_PATCH_NOT_PATCH, "the identifier is not CLMP");
    CLLM_SIGNATURE_TEXT(CLLM_PATCH_VERSION, "a major version of patches that this runtime does not read");
    CLLM_SIGNATURE_TEXT(CLLM_PATCH_DAMAGED,
                        "the patch leaves its bounds or gives another file than promised");
    CLLM_SIGNATURE_TEXT(CLLM_PATCH_BASE, "the patch was made for another file");
    CLLM_STATUS_TEXT(CLLM_UNSUPPORTED_SIGNATURE, "this build checks no signatures");
  }
  return "unknown status";
}
