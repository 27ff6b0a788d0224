// Room: api. Translates cllm_store_* into the store room; checks pointers, computes nothing.
#include "store/store.h"

#include <new>
#include <type_traits>

#include "api/arguments.h"
#include "cllm/store.h"

namespace {

static_assert(sizeof(cllm::Store) <= sizeof(cllm_store) && alignof(cllm::Store) <= alignof(cllm_store));
static_assert(std::is_trivially_destructible_v<cllm::Store>);

cllm::Store* View(cllm_store* store) { return reinterpret_cast<cllm::Store*>(store); }
const cllm::Store* View(const cllm_store* store) { return reinterpret_cast<const cllm::Store*>(store); }

}  // namespace

cllm_status cllm_store_open(const cllm_flash* flash, cllm_store* store) {
  if (cllm::AnyNull(flash, store)) return CLLM_NULL_ARGUMENT;
  return (new (store) cllm::Store)->Open(*flash);
}

cllm_status cllm_store_describe(const cllm_store* store, cllm_store_info* info) {
  if (cllm::AnyNull(store, info)) return CLLM_NULL_ARGUMENT;
  if (info->struct_size != sizeof(cllm_store_info)) return CLLM_STRUCT_SIZE;
  View(store)->Describe(info);
  return CLLM_OK;
}

cllm_status cllm_store_read(const cllm_store* store, uint32_t offset, void* to, uint32_t bytes) {
  if (cllm::AnyNull(store) || (to == nullptr && bytes > 0)) return CLLM_NULL_ARGUMENT;
  return View(store)->Read(offset, to, bytes);
}

cllm_status cllm_store_begin(cllm_store* store, uint32_t bytes) {
  if (cllm::AnyNull(store)) return CLLM_NULL_ARGUMENT;
  return View(store)->Begin(bytes);
}

cllm_status cllm_store_write(cllm_store* store, const void* from, uint32_t bytes) {
  if (cllm::AnyNull(store) || (from == nullptr && bytes > 0)) return CLLM_NULL_ARGUMENT;
  return View(store)->Write(from, bytes);
}

cllm_status cllm_store_commit(cllm_store* store) {
  if (cllm::AnyNull(store)) return CLLM_NULL_ARGUMENT;
  return View(store)->Commit();
}
