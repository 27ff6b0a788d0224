/* CLLM: small language models for devices. The only public header of the runtime, C99.
 *
 * The way of the data: file bytes -> cllm_model_open -> cllm_session_measure -> a room that the caller
 * provides -> cllm_session_create -> feed tokens, read logits, draw the next token. Nothing is ever
 * allocated, printed or aborted in here, and there is nothing to destroy: forget the room and all is gone.
 *
 * Ownership: the caller owns file bytes and rooms. File bytes must stay readable and unchanged, at the same
 * address, while a model opened on them, or a session or trainer created from it, is in use.
 * Threads: a session or trainer belongs to one calling thread at a time; any number of sessions may share
 * the bytes of one file. Nothing is global.
 * Results: the same file, tokens and seed give the same bits on every instruction set, for every number of
 * workers and for every split of the tokens into feeds.
 */
#ifndef CLLM_CLLM_H_
#define CLLM_CLLM_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLLM_VERSION_MAJOR 0
#define CLLM_VERSION_MINOR 1
#define CLLM_VERSION_PATCH 0

/* Required alignment, in bytes, of the file's first byte and of every room and scratch block. */
#define CLLM_ALIGNMENT 64u

/* Every function that can fail returns one of these; cllm_status_name gives the text. Values are stable. */
typedef enum cllm_status {
  CLLM_OK = 0,

  /* Arguments. */
  CLLM_NULL_ARGUMENT = 1,       /* a pointer that must not be NULL is */
  CLLM_STRUCT_SIZE = 2,         /* struct_size is not that of a known version of the struct */
  CLLM_MISALIGNED = 3,          /* bytes, room or scratch do not start at a multiple of CLLM_ALIGNMENT */
  CLLM_ROOM_TOO_SMALL = 4,      /* the room or scratch is smaller than measured */
  CLLM_BUFFER_TOO_SMALL = 5,    /* an output buffer holds fewer items than there are */
  CLLM_LIMIT_CONTEXT = 6,       /* limits.context is over the model's */
  CLLM_LIMIT_BATCH = 7,         /* limits.batch is out of range */
  CLLM_LIMIT_STREAMS = 8,       /* limits.streams is out of range */
  CLLM_LIMIT_KV_FORMAT = 9,     /* limits.kv_format is not supported */
  CLLM_LIMIT_LOGITS = 10,       /* limits.logits_rows is out of range */
  CLLM_LIMIT_LENGTH = 11,       /* trainer limits: sequences or length out of range */
  CLLM_TOKEN_RANGE = 12,        /* a token id is not below the vocabulary size */
  CLLM_CONTEXT_FULL = 13,       /* the tokens do not fit into what is left of the context */
  CLLM_POSITION_RANGE = 14,     /* rewind to a position that was never reached */
  CLLM_NO_LOGITS = 15,          /* logits were asked for before any token was fed, or after a rewind */
  CLLM_SAMPLING_RANGE = 16,     /* a sampling parameter is out of range or not a number */
  CLLM_TEXT_NOT_ENCODABLE = 17, /* the text has a character that the vocabulary cannot express */
  CLLM_OPTIMIZER_RANGE = 18,    /* an optimiser parameter is out of range or not a number */
  CLLM_INDEX_RANGE = 19,        /* a tensor index is not below the tensor count */
  CLLM_NOT_TRAINABLE = 20,      /* training needs float32 weights, fine-tuning an architecture like Llama's */
  CLLM_MODEL_NOT_OPEN = 21,     /* cllm_model_open has not succeeded on this model */
  CLLM_LIMIT_METHOD = 22,       /* trainer limits: method is none of cllm_method */
  CLLM_STREAM_RANGE = 23,       /* a stream is not below limits.streams */
  CLLM_STREAM_REPEATED = 24,    /* a stream is named twice in one call */
  CLLM_LIMIT_PRECISION = 25,    /* trainer limits: precision is none that this build has */
  CLLM_LIMIT_KV_HEAD_SIZE = 26, /* limits.kv_format keeps heads of a multiple of 8 numbers: take int8 */
  CLLM_LIMIT_TUNING = 30,       /* tuner limits: what is tuned, rank or alpha are out of range */
  CLLM_TUNER_STATE = 31,        /* the state is of another tuner: model, tuned tensors or method differ */

  /* The file. Everything here is found by cllm_model_open. */
  CLLM_FILE_TRUNCATED = 40,         /* fewer bytes than the head or its segments claim */
  CLLM_FILE_NOT_CLLM = 41,          /* the identifier is not CLLM */
  CLLM_FILE_VERSION = 42,           /* a newer major version of the format */
  CLLM_FILE_HEAD = 43,              /* the FlatBuffer head does not verify */
  CLLM_FILE_CONFIG_RANGE = 44,      /* a number of the configuration is out of range or inconsistent */
  CLLM_FILE_TENSOR_MISSING = 45,    /* a tensor that the configuration needs is absent */
  CLLM_FILE_TENSOR_UNKNOWN = 46,    /* a tensor unknown to the configuration, or twice, or out of order */
  CLLM_FILE_TENSOR_SHAPE = 47,      /* rows, columns, dtype or layout disagree with the configuration */
  CLLM_FILE_SEGMENT_RANGE = 48,     /* a segment lies outside the file or inside the head */
  CLLM_FILE_SEGMENT_ALIGNMENT = 49, /* a segment does not start at a multiple of 64 */
  CLLM_FILE_SEGMENT_OVERLAP = 50,   /* two segments share bytes */
  CLLM_FILE_TOKENIZER = 51,         /* the tokenizer's tables are inconsistent */

  /* A delta. Everything here is found by cllm_model_apply. */
  CLLM_DELTA_TRUNCATED = 70,         /* fewer bytes than the head or its segments claim */
  CLLM_DELTA_NOT_DELTA = 71,         /* the identifier is not CLMD */
  CLLM_DELTA_VERSION = 72,           /* another major version of the format */
  CLLM_DELTA_HEAD = 73,              /* the FlatBuffer head does not verify */
  CLLM_DELTA_BASE = 74,              /* made for another model, or the model has a delta already */
  CLLM_DELTA_ENTRY_UNKNOWN = 75,     /* a tensor that the model has not, or twice, or out of order */
  CLLM_DELTA_ENTRY_SHAPE = 76,       /* rank, type or bytes disagree with the model */
  CLLM_DELTA_SEGMENT_RANGE = 77,     /* a segment lies outside the file or inside the head */
  CLLM_DELTA_SEGMENT_ALIGNMENT = 78, /* a segment does not start at a multiple of 64 */
  CLLM_DELTA_SEGMENT_OVERLAP = 79,   /* two segments share bytes */

  /* A saved state. Everything here is found by cllm_session_restore. */
  CLLM_STATE_TRUNCATED = 60, /* fewer bytes than the state claims */
  CLLM_STATE_NOT_STATE = 61, /* the identifier is not CLMS */
  CLLM_STATE_VERSION = 62,   /* another major version of the state's format */
  CLLM_STATE_DAMAGED = 63,   /* the bytes are not those that were saved */
  CLLM_STATE_MODEL = 64,     /* saved with another model file */
  CLLM_STATE_KV_FORMAT = 65, /* saved with another limits.kv_format */
  CLLM_STATE_NO_DIGEST = 66, /* the model states no digest of its contents */
  CLLM_STATE_DELTA = 67,     /* saved with another delta over the model, or one of both has none */

  /* The store of cllm/store.h. */
  CLLM_STORE_GEOMETRY = 110, /* the flash's units, blocks or their number are out of range */
  CLLM_STORE_FLASH = 111,    /* a function of the flash failed, or what it wrote reads otherwise */
  CLLM_STORE_RANGE = 112,    /* bytes beyond a content, or more or fewer than were announced or fit */

  /* The signature. Found by cllm_model_open_signed, the last also by cllm_model_verify_block. */
  CLLM_SIGNATURE_MISSING = 120,  /* the file was never signed */
  CLLM_SIGNATURE_STRIPPED = 121, /* the file was signed, and the signature is gone or is not whole */
  CLLM_SIGNATURE_KEY = 122,      /* signed with another key */
  CLLM_SIGNATURE_WRONG = 123,    /* the head is not what the owner of the key signed */
  CLLM_SIGNATURE_BLOCKS = 124,   /* the tree of digests does not cover the file */
  CLLM_BLOCK_DAMAGED = 125,      /* a block is not what the signed head stands for */

  /* A patch. Found by cllm_slots_write and cllm_slots_commit of cllm/update.h. */
  CLLM_PATCH_TRUNCATED = 130, /* fewer bytes than the patch claims */
  CLLM_PATCH_NOT_PATCH = 131, /* the identifier is not CLMP */
  CLLM_PATCH_VERSION = 132,   /* another major version of patches */
  CLLM_PATCH_DAMAGED = 133,   /* an operation leaves its bounds, or the result is not what was promised */
  CLLM_PATCH_BASE = 134,      /* made for another file than the one that is there */

  /* Architecture switches that the format knows and this build of the runtime does not run. */
  CLLM_UNSUPPORTED_NORM = 80,
  CLLM_UNSUPPORTED_NORM_PLACEMENT = 81,
  CLLM_UNSUPPORTED_ACTIVATION = 82,
  CLLM_UNSUPPORTED_UNGATED = 83,
  CLLM_UNSUPPORTED_POSITION = 84,
  CLLM_UNSUPPORTED_BIAS = 85,
  CLLM_UNSUPPORTED_QK_NORM = 86,
  CLLM_UNSUPPORTED_SOFTCAP = 87,
  CLLM_UNSUPPORTED_SCALE = 88,
  CLLM_UNSUPPORTED_SLIDING_WINDOW = 89,
  CLLM_UNSUPPORTED_EMBEDDING_KIND = 90,
  CLLM_UNSUPPORTED_HEAD_KIND = 91,
  CLLM_UNSUPPORTED_DTYPE = 92,
  CLLM_UNSUPPORTED_TOKENIZER = 93,
  CLLM_UNSUPPORTED_PARALLEL_BLOCK = 94,
  CLLM_UNSUPPORTED_DELTA = 95,    /* this build has no deltas */
  CLLM_UNSUPPORTED_SIGNATURE = 96 /* this build checks no signatures */
} cllm_status;

/* "CLLM_ROOM_TOO_SMALL: the room is smaller than measured" and the like; never NULL. Static storage. Firmware
 * is built to give the name alone (CLLM_STATUS_TEXTS). */
const char* cllm_status_name(cllm_status status);

/* "0.1.0". Static storage. */
const char* cllm_version(void);

/* ---- Workers: the caller's threads ---------------------------------------------------------------- */

/* A fork-join that the platform provides; NULL in its place means the calling thread alone.
 * run must call task(context, i) exactly once for each i in [0, tasks), on any thread, in any order and
 * possibly at the same time, and return when all calls have. count is a hint: how many may run at once.
 * yield may be NULL; a task calls it now and then while it waits for another task that is running. */
typedef struct cllm_workers {
  uint32_t count;
  void* self;
  void (*run)(void* self, void (*task)(void* context, uint32_t index), void* context, uint32_t tasks);
  void (*yield)(void* self);
} cllm_workers;

/* ---- Model ----------------------------------------------------------------------------------------- */

/* A verified view of a file's bytes; the caller provides the storage, on the stack if it likes. */
typedef struct cllm_model {
  uint64_t opaque[80];
} cllm_model;

typedef enum cllm_format {
  CLLM_FORMAT_F32 = 0,
  CLLM_FORMAT_BF16 = 1,
  CLLM_FORMAT_INT8 = 2,
  CLLM_FORMAT_INT4 = 3,
  CLLM_FORMAT_LATTICE2 = 4,
  CLLM_FORMAT_LATTICE3 = 5,
  CLLM_FORMAT_LATTICE4 = 6
} cllm_format;

#define CLLM_NO_TOKEN 0xFFFFFFFFu

typedef struct cllm_model_info {
  uint32_t struct_size; /* in: sizeof(cllm_model_info) */
  uint32_t vocabulary_size;
  uint32_t context; /* longest sequence, tokens */
  uint32_t width;   /* of the residual stream */
  uint32_t layers;
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t head_size;
  uint32_t hidden;        /* of the feed-forward block */
  uint32_t weight_format; /* cllm_format of the matrices; the narrowest, if they differ */
  uint32_t tied_head;     /* 1 if the output head shares the embedding */
  uint32_t begin_token;   /* CLLM_NO_TOKEN if there is none */
  uint32_t end_token;     /* CLLM_NO_TOKEN if there is none */
  uint32_t tensors;       /* entries of the tensor table */
  uint64_t parameters;    /* without padding; a tied head counts once */
  uint64_t weight_bytes;  /* of all tensor segments as stored */
} cllm_model_info;

/* The only place where bytes are distrusted. On success the model may be copied freely.
 * bytes: the whole file, aligned to CLLM_ALIGNMENT. Errors: CLLM_FILE_*, CLLM_UNSUPPORTED_*, arguments. */
cllm_status cllm_model_open(const void* bytes, uint64_t size, cllm_model* model);

cllm_status cllm_model_describe(const cllm_model* model, cllm_model_info* info);

/* cllm_model_open for files that come over the air: only one that the owner of the Ed25519 key signed (`cllm
 * sign`) opens. What this call checks is the head: configuration, and the root of a tree of digests over the
 * rest of the file, whose blocks cllm_model_verify_block checks, each when it suits: all at once, in idle
 * time, or those that are about to be used. Until then any block may hold anything, and can do no worse than
 * a file of somebody else's. About 1.5 KB of stack.
 * public_key: 32 bytes. Errors: CLLM_SIGNATURE_*, CLLM_UNSUPPORTED_SIGNATURE, those of cllm_model_open. */
cllm_status cllm_model_open_signed(const void* bytes, uint64_t size, const uint8_t public_key[32],
                                   cllm_model* model);

/* Block i is the file's bytes from first_offset + i * block_bytes on; the last one may be shorter. */
typedef struct cllm_blocks_info {
  uint32_t struct_size; /* in: sizeof(cllm_blocks_info) */
  uint32_t block_bytes;
  uint64_t first_offset; /* where the head ends, rounded up to 64 */
  uint64_t bytes;        /* covered by all blocks: up to the tree, which ends the file */
  uint64_t blocks;
} cllm_blocks_info;

/* Errors: CLLM_SIGNATURE_MISSING (no tree), CLLM_SIGNATURE_BLOCKS, CLLM_UNSUPPORTED_SIGNATURE, arguments. */
cllm_status cllm_model_describe_blocks(const cllm_model* model, cllm_blocks_info* info);

/* Reads a block, and up to 512 bytes of digests for each level of the tree: about 1.4 times the block for
 * 16 MB. All blocks together cover every byte behind the head. Errors: CLLM_BLOCK_DAMAGED, CLLM_INDEX_RANGE,
 * those of cllm_model_describe_blocks. */
cllm_status cllm_model_verify_block(const cllm_model* model, uint64_t block);

/* The model `base` with a delta over it, what fine-tuning changed of it: *model is then a model like any
 * other, for sessions and trainers, of which base's and the delta's bytes are in use. *model may be *base.
 * Integer weights stay class A where the delta has adapters, and become float's class B where it replaces a
 * matrix. bytes: the whole delta file, aligned to CLLM_ALIGNMENT. Errors: CLLM_DELTA_*, arguments. */
cllm_status cllm_model_apply(const cllm_model* base, const void* bytes, uint64_t size, cllm_model* model);

/* ---- Session ---------------------------------------------------------------------------------------- */

/* How keys and values are kept. int8 is a byte a number: about a quarter of the room, and faster where much
 * has been fed. lattice4 is half a byte a number, points of the lattice E8: about an eighth; int8_lattice4
 * keeps keys as int8 and values on the lattice: under a quarter, and near float32 also where keys need more
 * than four bits. Both are for heads of a multiple of 8 numbers. Results of each are as much the same
 * everywhere as float32's, but others. */
typedef enum cllm_kv_format {
  CLLM_KV_F32 = 0,
  CLLM_KV_INT8 = 1,
  CLLM_KV_LATTICE4 = 2,
  CLLM_KV_INT8_LATTICE4 = 3
} cllm_kv_format;

/* What a session must be able to do; zero in a field means its default. */
typedef struct cllm_limits {
  uint32_t struct_size; /* sizeof(cllm_limits) */
  uint32_t context;     /* longest sequence; default the model's */
  uint32_t batch;       /* tokens computed at once, of all streams together; default 32, 12 unless the
                           cache is float32, or streams if that is more, or context times streams if that is less.
                           Speed       and room depend on it, results do not */
  uint32_t streams;     /* independent sequences, each of up to `context` tokens; default 1 */
  uint32_t kv_format;   /* cllm_kv_format of the cache */
  uint32_t logits_rows; /* 1 (default): logits of the last token of each feed; or batch: of every token of a
                           call, which may then not have more tokens than batch */
} cllm_limits;

typedef struct cllm_session cllm_session;

/* The exact size of the room for these limits, the same number on every machine.
 * Errors: CLLM_LIMIT_*, arguments. */
cllm_status cllm_session_measure(const cllm_model* model, const cllm_limits* limits, uint64_t* room_bytes);

/* Sets up a session inside the room. workers may be NULL; otherwise *workers is copied and what it points to
 * must outlive the session. limits may be NULL for the defaults. */
cllm_status cllm_session_create(const cllm_model* model, const cllm_limits* limits,
                                const cllm_workers* workers, void* room, uint64_t room_bytes,
                                cllm_session** session);

/* Appends count tokens to the sequence (of stream 0). Nothing changes if this fails (all ids are checked
 * first). */
cllm_status cllm_session_feed(cllm_session* session, const uint32_t* tokens, uint32_t count);

/* ---- Streams: several sequences side by side in one session ---- */

/* Tokens for one stream: a whole prompt, the next token, or anything between. */
typedef struct cllm_stream_feed {
  uint32_t stream;        /* below limits.streams */
  uint32_t count;         /* tokens; 0: the feed is passed over */
  const uint32_t* tokens; /* [count] */
} cllm_stream_feed;

/* Appends to several streams at once, each at its own position and by its own number of tokens, no stream
 * twice: prompts and single next tokens may share a call. All tokens go through the model together, batch by
 * batch, so that weights are read once for all of them; every stream's results are, to the bit, those of a
 * session of its own. Nothing changes if this fails (all feeds are checked first).
 * Errors: CLLM_STREAM_*, CLLM_TOKEN_RANGE, CLLM_CONTEXT_FULL, CLLM_LIMIT_BATCH, arguments. */
cllm_status cllm_session_feed_streams(cllm_session* session, const cllm_stream_feed* feeds, uint32_t count);

/* Logits after the last call that fed. With logits_rows = 1 row r is that of the last token of the r-th feed,
 * otherwise that of the r-th token of the call, feed after feed; row 0 for a single token. *logits points to
 * vocabulary_size floats inside the room, valid until the next call that feeds. CLLM_NO_LOGITS also if the
 * row's stream was rewound since. */
cllm_status cllm_session_logits(const cllm_session* session, uint32_t row, const float** logits);

typedef struct cllm_sampling {
  uint32_t struct_size;       /* sizeof(cllm_sampling) */
  float temperature;          /* 0: the likeliest token, the lowest id of equals */
  uint32_t top_k;             /* keep the k likeliest; 0: all */
  float top_p;                /* keep the likeliest whose probabilities reach p; 0 or 1: all */
  float min_p;                /* drop tokens below min_p times the likeliest; 0: none */
  float repetition_penalty;   /* > 1 discourages recent tokens; 0 or 1: off */
  uint32_t repetition_window; /* how many recent tokens count; 0: the whole sequence */
  uint64_t seed;
} cllm_sampling;

/* Draws a token from the logits of the last token fed; does not feed it. NULL sampling: the likeliest.
 * The draw depends on seed and position only, so a rewound session draws the same again. */
cllm_status cllm_session_next(cllm_session* session, const cllm_sampling* sampling, uint32_t* token);

/* The same for any stream that the last call that fed has fed; otherwise CLLM_NO_LOGITS. */
cllm_status cllm_session_next_stream(cllm_session* session, uint32_t stream, const cllm_sampling* sampling,
                                     uint32_t* token);

/* Forgets all tokens from position on; position at most the present one. Logits are gone until a feed. */
cllm_status cllm_session_rewind(cllm_session* session, uint32_t position);

/* The same for any stream; the other streams and their logits stay. */
cllm_status cllm_session_rewind_stream(cllm_session* session, uint32_t stream, uint32_t position);

/* ---- Saved states: a prompt that was fed once, for good ---- */

/* Writes a stream's tokens, keys and values to `state`, of exactly the measured number of bytes: the same
 * bytes on every machine, with a checksum. Errors: CLLM_BUFFER_TOO_SMALL, CLLM_STATE_NO_DIGEST,
 * CLLM_STREAM_RANGE, arguments. */
cllm_status cllm_session_save_measure(const cllm_session* session, uint32_t stream, uint64_t* bytes);
cllm_status cllm_session_save(const cllm_session* session, uint32_t stream, void* state, uint64_t capacity);

/* Makes a stream what it was when the state was saved, on whatever machine: all that follows has the same
 * bits. The session must be of the very same model file, with the very same delta over it or none, and have
 * the same kv_format; context, batch, streams and workers may be others. Computes the last token anew, so
 * that it counts as a call that fed this stream alone. The state's address needs no alignment. Nothing
 * changes if this fails. Errors: CLLM_STATE_*, CLLM_CONTEXT_FULL, CLLM_TOKEN_RANGE, CLLM_STREAM_RANGE,
 * arguments. */
cllm_status cllm_session_restore(cllm_session* session, uint32_t stream, const void* state, uint64_t bytes);

/* Number of tokens in the sequence; 0 for NULL, and of a stream that there is not. */
uint32_t cllm_session_position(const cllm_session* session);
uint32_t cllm_session_stream_position(const cllm_session* session, uint32_t stream);

/* ---- Tokens ------------------------------------------------------------------------------------------ */

/* Scratch that encoding a text of this many bytes needs. */
cllm_status cllm_tokens_encode_measure(const cllm_model* model, uint64_t text_bytes, uint64_t* scratch_bytes);

/* What a text must be in before it is encoded, for models whose tokenizers were trained so; encoding takes it
 * as it is. A program that is given texts in other forms has to normalize them, as `cllm` does. */
typedef enum cllm_text_form {
  CLLM_TEXT_ANY = 0,
  CLLM_TEXT_NFC = 1,   /* Unicode's normalization form C, as almost all texts are */
  CLLM_TEXT_STEPS = 2, /* what the steps make of it that the file holds, schemas/TOKENIZER.md */
} cllm_text_form;

/* Error: CLLM_UNSUPPORTED_TOKENIZER without a tokenizer. */
cllm_status cllm_tokens_form(const cllm_model* model, cllm_text_form* form);

/* Text (UTF-8; other bytes are taken as they are where the vocabulary can express them) to token ids,
 * without a begin token. *count is the number of tokens also when CLLM_BUFFER_TOO_SMALL is returned.
 * capacity = 2 text_bytes + 1 always suffices, text_bytes + 1 for vocabularies that are trained here.
 * CLLM_UNSUPPORTED_TOKENIZER: there is none, or this build leaves its kind out (CLLM_ALL_TOKENIZERS=OFF). */
cllm_status cllm_tokens_encode(const cllm_model* model, const char* text, uint64_t text_bytes, void* scratch,
                               uint64_t scratch_bytes, uint32_t* tokens, uint64_t capacity, uint64_t* count);

/* The same, but where the text spells a special token of the model's, such as <|im_start|>, it is that token:
 * for what a program puts around a person's words, not for these. */
cllm_status cllm_tokens_encode_special(const cllm_model* model, const char* text, uint64_t text_bytes,
                                       void* scratch, uint64_t scratch_bytes, uint32_t* tokens,
                                       uint64_t capacity, uint64_t* count);

/* 1 for the end token, and for others that the model's source says end an answer; else 0. */
int cllm_tokens_ends_text(const cllm_model* model, uint32_t token);

/* The bytes that a token stands for after the token `previous` (CLLM_NO_TOKEN at the start); special tokens
 * give none. *text points into the file's bytes or to static storage and is not 0-terminated. */
cllm_status cllm_tokens_decode(const cllm_model* model, uint32_t previous, uint32_t token, const char** text,
                               uint32_t* text_bytes);

/* ---- Trainer ------------------------------------------------------------------------------------------ */

/* How weights follow from gradients. */
typedef enum cllm_method {
  CLLM_ADAMW = 0, /* Loshchilov and Hutter, arXiv 1711.05101 */
  CLLM_SGD = 1,   /* gradient descent with momentum: m = momentum m + g, p -= rate m; decay as AdamW's */
  CLLM_MUON = 2,  /* Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024: the
                    layers'  matrices (query, key, value, gate and up each by itself) move along the nearest
                    orthogonal  matrix to their Nesterov momentum, found by five Newton-Schulz steps and times
                    0.2  sqrt(larger side), which makes it as large as AdamW's (Liu et al., arXiv 2502.16982),
                    so  that AdamW's rates and decays fit; all other tensors by AdamW */
  CLLM_ADAMW8 = 3 /* AdamW whose moments are kept in a byte each, 16 of them to a bfloat16 scale (after
                     Dettmers et al., arXiv 2110.02861); tuners only */
} cllm_method;

/* What the products with matrices are made of, forward and backward. Weights, gradients, moments,
 * activations, norms and attention are float32 in either. */
typedef enum cllm_precision {
  CLLM_FLOAT32 = 0,
  CLLM_BFLOAT16 = 1 /* mixed precision (Micikevicius et al., arXiv 1710.03740): factors rounded to bfloat16,
                       sums in float32. Numbers of its own, but the same bits on every machine and for every
                       number of workers, as in float32; fast where the processor has AVX-512 BF16, slower
                       than float32 elsewhere. */
} cllm_precision;

typedef struct cllm_trainer_limits {
  uint32_t struct_size; /* sizeof(cllm_trainer_limits) */
  uint32_t sequences;   /* at once */
  uint32_t length;      /* tokens of each, at most the model's context */
  uint32_t method;      /* cllm_method of all updates: the room depends on it */
  uint32_t precision;   /* cllm_precision, likewise */
} cllm_trainer_limits;

typedef struct cllm_trainer cllm_trainer;

/* The exact size of the room: weights, gradients, optimiser state and activations. */
cllm_status cllm_trainer_measure(const cllm_model* model, const cllm_trainer_limits* limits,
                                 uint64_t* room_bytes);

/* Copies the model's float32 weights into the room; the file's stay as they are. */
cllm_status cllm_trainer_create(const cllm_model* model, const cllm_trainer_limits* limits,
                                const cllm_workers* workers, void* room, uint64_t room_bytes,
                                cllm_trainer** trainer);

/* Adds the gradient of the mean loss, times weight, over sequences x length tokens to the gradient.
 * inputs, targets: [sequences][length] token ids; a target CLLM_NO_TOKEN is left out of the loss.
 * *loss: the mean negative log-likelihood in nats. To accumulate over n calls use weight 1/n. */
cllm_status cllm_trainer_accumulate(cllm_trainer* trainer, const uint32_t* inputs, const uint32_t* targets,
                                    uint32_t sequences, uint32_t length, float weight, float* loss);

/* What keeps a model from learning its text by heart. */
typedef struct cllm_regularization {
  uint32_t struct_size; /* sizeof(cllm_regularization) */
  float dropout; /* from 0 to below 1: this share of the numbers of the embedded tokens, and of what each
                    half of a layer adds to them, is zero, and what stays is divided by what is left
                    (Srivastava et al., 2014, at the places of Vaswani et al., arXiv 1706.03762) */
  float label_smoothing; /* from 0 to below 1: this share of a target's probability is spread evenly over the
                            vocabulary (Szegedy et al., arXiv 1512.00567) */
  uint32_t reserved;     /* 0 */
  uint64_t seed;         /* of dropout */
  uint64_t sequence;     /* number of the next sequence: what is dropped depends on seed, sequence number,
                            position and place alone, not on batches or workers */
} cllm_regularization;

/* In force from the next batch on, sequences counting up; a new trainer has neither. Never in evaluations,
 * and losses stay those without smoothing. Errors: CLLM_OPTIMIZER_RANGE, arguments. */
cllm_status cllm_trainer_regularize(cllm_trainer* trainer, const cllm_regularization* regularization);

/* The same loss without touching the gradient. */
cllm_status cllm_trainer_evaluate(cllm_trainer* trainer, const uint32_t* inputs, const uint32_t* targets,
                                  uint32_t sequences, uint32_t length, float* loss);

/* Tensors that share a learning rate and a weight decay. */
typedef struct cllm_parameter_group {
  float learning_rate;
  float weight_decay; /* times the rate, apart from the gradient */
} cllm_parameter_group;

/* Numbers of one update; those that the trainer's method does not use must be in range too. */
typedef struct cllm_optimizer {
  uint32_t struct_size; /* sizeof(cllm_optimizer) */
  float clip;           /* global gradient norm is scaled down to this; 0: no clipping */
  float beta1;          /* AdamW, from 0 to below 1, and so the next */
  float beta2;
  float epsilon;                   /* AdamW, positive */
  float momentum;                  /* SGD and Muon, from 0 to below 1 */
  cllm_parameter_group matrices;   /* of the layers */
  cllm_parameter_group embeddings; /* of tokens, and a head of its own */
  cllm_parameter_group norms;
} cllm_optimizer;

/* One step from the accumulated gradient, which is zero afterwards. *gradient_norm (may be NULL): before
 * clipping. A gradient that is not finite leaves the weights untouched and is reported by its norm. */
cllm_status cllm_trainer_update(cllm_trainer* trainer, const cllm_optimizer* optimizer, float* gradient_norm);

typedef enum cllm_trainer_part {
  CLLM_TRAINER_WEIGHT = 0,
  CLLM_TRAINER_GRADIENT = 1,
  CLLM_TRAINER_FIRST_MOMENT = 2, /* AdamW's, or the momentum of SGD and Muon */
  CLLM_TRAINER_SECOND_MOMENT = 3 /* AdamW's; *count is 0 for tensors that it does not update */
} cllm_trainer_part;

/* A part of one tensor, in the layout and order of the file's tensor table; inside the room. */
cllm_status cllm_trainer_tensor(cllm_trainer* trainer, uint32_t index, cllm_trainer_part part, float** data,
                                uint64_t* count);

/* What a trainer remembers besides the parts of its tensors: beta1 and beta2 to the power of the steps so
 * far, for the correction of the moments' bias. A trainer of the same model goes on from a stored state, to
 * the bit, when the weights and moments have been written back through cllm_trainer_tensor and this has been
 * set. */
typedef struct cllm_trainer_state {
  uint32_t struct_size; /* sizeof(cllm_trainer_state) */
  uint32_t reserved;    /* 0 */
  double beta1_power;   /* from 0 to 1; 1 before the first step */
  double beta2_power;
} cllm_trainer_state;

cllm_status cllm_trainer_get_state(const cllm_trainer* trainer, cllm_trainer_state* state);

/* Errors: CLLM_OPTIMIZER_RANGE, arguments. */
cllm_status cllm_trainer_set_state(cllm_trainer* trainer, const cllm_trainer_state* state);

/* ---- Tuner: fine-tuning beside frozen weights ------------------------------------------------------------
 */

/* A tuner trains adapters (LoRA: Hu et al., arXiv 2106.09685) beside matrices, and tensors in place of the
 * model's, while the model, of float32, bfloat16, int8 or int4 weights, stays as it is in its file. What it
 * learns goes into a delta, a file of its own, which cllm_model_apply puts over the model again. */

/* Tensors, by role: bits of what is tuned. */
#define CLLM_TUNE_QUERY_KEY_VALUE 1u
#define CLLM_TUNE_ATTENTION_OUTPUT 2u
#define CLLM_TUNE_GATE_UP 4u
#define CLLM_TUNE_DOWN 8u
#define CLLM_TUNE_NORMS 16u
#define CLLM_TUNE_EMBEDDING 32u /* and the head, where they are one */
#define CLLM_TUNE_HEAD 64u      /* a head of its own */

typedef struct cllm_tuner_limits {
  uint32_t struct_size; /* sizeof(cllm_tuner_limits) */
  uint32_t length;      /* tokens of the longest sequence, at most the model's context */
  uint32_t method;      /* CLLM_ADAMW, CLLM_SGD or CLLM_ADAMW8 */
  uint32_t adapted;     /* CLLM_TUNE_* of the four matrices of a layer: these get adapters */
  uint32_t rank;        /* of the adapters, 1 to 256; 0 without any */
  float alpha;          /* an adapter's product counts alpha / rank times; 0: twice the rank */
  uint32_t trained;     /* CLLM_TUNE_*: these are trained whole, as float32; none that has adapters */
  uint32_t first_layer; /* of the layers, only this one and those after it are tuned */
  uint64_t room_bytes;  /* the most that the room may take; 0: whatever makes steps fast */
  uint64_t seed;        /* of the adapters' inner factors; the outer ones start at zero */
  uint64_t reserved;    /* 0 */
} cllm_tuner_limits;

typedef struct cllm_tuner_info {
  uint32_t struct_size; /* in: sizeof(cllm_tuner_info) */
  uint32_t tensors;     /* tuned */
  uint32_t recompute;   /* 0: what a layer computes is kept for the backward pass; 1: it is computed again */
  uint32_t chunk;       /* tokens that go through feed-forward blocks and head at once */
  uint64_t parameters;  /* tuned, with padding */
  uint64_t room_bytes;
  uint64_t state_bytes;
  uint64_t delta_bytes;
} cllm_tuner_info;

typedef struct cllm_tuner cllm_tuner;

/* How a tuner fits into limits.room_bytes, the same on every machine: as fast as that allows. No result
 * depends on it. If nothing fits the status is CLLM_ROOM_TOO_SMALL, and info tells the smallest room.
 * Errors: CLLM_LIMIT_*, CLLM_DELTA_BASE (the file does not state its digest), CLLM_NOT_TRAINABLE (an
 * architecture other than Llama's, or a delta over the model that changes other tensors), arguments. */
cllm_status cllm_tuner_measure(const cllm_model* model, const cllm_tuner_limits* limits,
                               cllm_tuner_info* info);

/* Sets up a tuner inside the room. If a delta of the same tensors is over the model tuning goes on from it.
 * workers may be NULL. */
cllm_status cllm_tuner_create(const cllm_model* model, const cllm_tuner_limits* limits,
                              const cllm_workers* workers, void* room, uint64_t room_bytes,
                              cllm_tuner** tuner);

/* Adds `weight` times the gradient of the sum of the losses over a sequence of `length` tokens.
 * inputs, targets: [length] token ids; a target CLLM_NO_TOKEN is left out. *loss: the sum of negative
 * log-likelihoods in nats. For the mean over a batch of sequences, weight is 1 / its number of targets. */
cllm_status cllm_tuner_accumulate(cllm_tuner* tuner, const uint32_t* inputs, const uint32_t* targets,
                                  uint32_t length, float weight, float* loss);

/* The same loss without touching the gradient. */
cllm_status cllm_tuner_evaluate(cllm_tuner* tuner, const uint32_t* inputs, const uint32_t* targets,
                                uint32_t length, float* loss);

/* As cllm_trainer_update. Adapters follow optimizer->matrices. */
cllm_status cllm_tuner_update(cllm_tuner* tuner, const cllm_optimizer* optimizer, float* gradient_norm);

/* All that a tuner must remember, between any two calls: parameters, the gradient so far, moments, steps.
 * *state points to info.state_bytes bytes inside the room, to be copied away and given back some time to a
 * tuner of the same model and limits (but for length and room), on any machine; it then goes on to the bit.
 * Error of restore: CLLM_TUNER_STATE. */
cllm_status cllm_tuner_state(const cllm_tuner* tuner, const void** state);
cllm_status cllm_tuner_restore(cllm_tuner* tuner, const void* state, uint64_t state_bytes);

/* Updates so far; 0 for NULL. */
uint64_t cllm_tuner_steps(const cllm_tuner* tuner);

/* The part [offset, offset + bytes) of the delta of info.delta_bytes bytes. Error: CLLM_INDEX_RANGE. */
cllm_status cllm_tuner_export(const cllm_tuner* tuner, uint64_t offset, void* to, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* CLLM_CLLM_H_ */
