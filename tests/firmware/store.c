/* The store on the device, in RAM that behaves as flash: two contents are committed, the power goes while the
 * third is written, and what the store then holds is reported by its digest. */
#include <stddef.h>
#include <string.h>

#include "cllm/store.h"
#include "firmware/report.h"

enum { UNIT = 8, BLOCK = 1024, BLOCKS = 6, BYTES = 1500 };

static uint8_t flash[BLOCK * BLOCKS];
static uint8_t content[BYTES];
static uint32_t operations, cut = UINT32_MAX;

static int read(void* self, uint32_t address, void* to, uint32_t bytes) {
  memcpy(to, (uint8_t*)self + address, bytes);
  return 0;
}

static int program(void* self, uint32_t address, const void* from, uint32_t bytes) {
  if (operations++ >= cut) return 1;
  for (uint32_t i = 0; i < bytes; ++i) ((uint8_t*)self)[address + i] &= ((const uint8_t*)from)[i];
  return 0;
}

static int erase(void* self, uint32_t block) {
  if (operations++ >= cut) return 1;
  memset((uint8_t*)self + block * BLOCK, 0xFF, BLOCK);
  return 0;
}

static cllm_status commit(cllm_store* store, uint8_t fill) {
  memset(content, fill, sizeof(content));
  cllm_status status = cllm_store_begin(store, sizeof(content));
  if (status == CLLM_OK) status = cllm_store_write(store, content, sizeof(content));
  return status == CLLM_OK ? cllm_store_commit(store) : status;
}

int main(void) {
  const cllm_flash functions = {sizeof(functions), UNIT, BLOCK, BLOCKS, flash, read, program, erase};
  static cllm_store store;
  cllm_store_info info = {.struct_size = sizeof(info)};
  check(cllm_store_open(&functions, &store));
  check(commit(&store, 'a'));
  check(commit(&store, 'b'));
  cut = operations + 4;
  if (commit(&store, 'c') != CLLM_STORE_FLASH) cortex_m_exit(1);
  check(cllm_store_open(&functions, &store));
  check(cllm_store_describe(&store, &info));
  cortex_m_print("sequence ");
  cortex_m_print_number(info.sequence);
  cortex_m_print(" digest ");
  for (uint32_t i = 0; i < 2 * sizeof(info.digest); ++i) {
    cortex_m_write(&"0123456789abcdef"[info.digest[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15], 1);
  }
  cortex_m_print("\n");
  return 0;
}
