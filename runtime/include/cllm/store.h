/* CLLM's store: bytes that survive a power cut at any instant, in flash that the platform gives. C99.
 *
 * For what a device learns: a delta, a trainer's or a tuner's state, a session's. A store keeps one content,
 * the last that was committed, and while the next one is written the last stays whole. After a cut, whenever
 * it comes, cllm_store_open finds the content committed last, or the one that was being committed if nothing
 * of it is missing; never anything else.
 *
 * Contents lie one after another in a ring of erase blocks, so that all blocks wear alike. Nothing is
 * allocated; the caller owns the flash functions, the store's storage and all buffers. One calling thread at
 * a time.
 */
#ifndef CLLM_STORE_H_
#define CLLM_STORE_H_

#include "cllm/cllm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A region of flash whose erased bytes are 0xFF. Every function returns 0, or anything else if the flash
 * failed. Addresses count from the region's start. The store programs each unit once between two erasures, in
 * ascending order within a block, and at most 256 bytes a call. */
typedef struct cllm_flash {
  uint32_t struct_size; /* sizeof(cllm_flash) */
  uint32_t unit_bytes;  /* least that can be programmed, and its alignment: a power of 2, 1 to 256 */
  uint32_t block_bytes; /* erased at once: a multiple of unit_bytes, at least 512 */
  uint32_t blocks;      /* at least 2; the region is at most 2^31 bytes */
  void* self;
  int (*read)(void* self, uint32_t address, void* to, uint32_t bytes);
  int (*program)(void* self, uint32_t address, const void* from, uint32_t bytes);
  int (*erase)(void* self, uint32_t block);
} cllm_flash;

/* An open store; the caller provides the storage. May not be copied while a content is being written. */
typedef struct cllm_store {
  uint64_t opaque[80];
} cllm_store;

typedef struct cllm_store_info {
  uint32_t struct_size; /* in: sizeof(cllm_store_info) */
  uint32_t bytes;       /* of the content; 0 if there is none */
  uint64_t sequence;    /* how many contents were committed before and with it; 0: there is none */
  uint32_t most_bytes;  /* of a content that can always be written, whatever the one before takes */
  uint32_t first_block; /* that the content lies in */
  uint8_t digest[32];   /* SHA-256 of sequence (uint64), bytes (uint32) and the content */
} cllm_store_info;

/* Finds the last content and reads it through once, against its digest. A region that holds none, erased or
 * not, is an empty store: there is nothing to format. Errors: CLLM_STORE_GEOMETRY, CLLM_STORE_FLASH,
 * arguments. */
cllm_status cllm_store_open(const cllm_flash* flash, cllm_store* store);

cllm_status cllm_store_describe(const cllm_store* store, cllm_store_info* info);

/* Bytes [offset, offset + bytes) of the last content. Errors: CLLM_STORE_RANGE, CLLM_STORE_FLASH, arguments.
 */
cllm_status cllm_store_read(const cllm_store* store, uint32_t offset, void* to, uint32_t bytes);

/* Starts a content of exactly so many bytes, in place of one that was started and not committed. The last one
 * stays readable. Errors: CLLM_STORE_RANGE (more than can be written beside the last one), arguments. */
cllm_status cllm_store_begin(cllm_store* store, uint32_t bytes);

/* Appends to the content that was started. After CLLM_STORE_FLASH begin anew.
 * Errors: CLLM_STORE_RANGE (more than was announced, or nothing was started), CLLM_STORE_FLASH, arguments. */
cllm_status cllm_store_write(cllm_store* store, const void* from, uint32_t bytes);

/* Makes it the last content, and reads it back to prove it. Errors: CLLM_STORE_RANGE (fewer bytes than
 * announced), CLLM_STORE_FLASH, arguments. */
cllm_status cllm_store_commit(cllm_store* store);

#ifdef __cplusplus
}
#endif

#endif /* CLLM_STORE_H_ */
