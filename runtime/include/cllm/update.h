/* CLLM's updates over the air: the next model, as a patch against the one that runs, into a second slot. C99.
 *
 * A region of flash holds two slots, each for one file in one piece, which runs from there, and before them a
 * small store (cllm/store.h) whose record says which slot counts. A patch (`cllm diff`, schemas/PATCH.md)
 * comes in pieces of any size, as they arrive, and is kept nowhere: the new file is written to the other
 * slot, read back, held against the patch's digest and the maker's key, and only then recorded. A power cut
 * at any instant leaves the one file or the other, whole, as the store promises. Nothing is allocated; one
 * calling thread.
 */
#ifndef CLLM_UPDATE_H_
#define CLLM_UPDATE_H_

#include "cllm/cllm.h"
#include "cllm/store.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Open slots; the caller provides the storage. */
typedef struct cllm_slots {
  uint64_t opaque[192];
} cllm_slots;

typedef struct cllm_slots_info {
  uint32_t struct_size; /* in: sizeof(cllm_slots_info) */
  uint32_t slot;        /* 0 or 1: that counts */
  const void* file;     /* its first byte, at a multiple of CLLM_ALIGNMENT; NULL if there is none yet */
  uint32_t bytes;       /* of the file */
  uint32_t most_bytes;  /* of a file that fits */
  uint64_t sequence;    /* of updates so far */
  uint8_t digest[32];   /* SHA-256 of the file */
} cllm_slots_info;

/* flash: the region, as for a store; its blocks are multiples of CLLM_ALIGNMENT. record_blocks: of these the
 * first so many, at least 2, hold the record; the two slots share the rest. mapped: where the region's first
 * byte can be read in memory, at a multiple of CLLM_ALIGNMENT; what is programmed must be seen there when
 * program returns. Errors: CLLM_STORE_GEOMETRY, CLLM_STORE_FLASH, CLLM_UNSUPPORTED_SIGNATURE, arguments. */
cllm_status cllm_slots_open(const cllm_flash* flash, uint32_t record_blocks, const void* mapped,
                            cllm_slots* slots);

cllm_status cllm_slots_describe(const cllm_slots* slots, cllm_slots_info* info);

/* Starts an update, in place of one that was started and not committed. public_key: 32 bytes, whose owner
 * must have signed the new file; NULL: anybody's will do. They are copied. */
cllm_status cllm_slots_begin(cllm_slots* slots, const uint8_t* public_key);

/* The next bytes of the patch. After any error begin anew; the file that counts stays.
 * Errors: CLLM_PATCH_*, CLLM_STORE_RANGE (nothing was started, or the new file does not fit),
 * CLLM_STORE_FLASH, arguments. */
cllm_status cllm_slots_write(cllm_slots* slots, const void* patch, uint32_t bytes);

/* Checks the new file, all of it, and makes it the one that counts. Sessions on the old one may go on until
 * the next update begins to write. Errors: CLLM_PATCH_TRUNCATED, CLLM_PATCH_DAMAGED, CLLM_STORE_*, those of
 * cllm_model_open, and with a key of cllm_model_open_signed and cllm_model_verify_block. */
cllm_status cllm_slots_commit(cllm_slots* slots);

#ifdef __cplusplus
}
#endif

#endif /* CLLM_UPDATE_H_ */
