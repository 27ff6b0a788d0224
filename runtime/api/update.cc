// Room: api. Translates cllm_slots_* into the update room; checks pointers, computes nothing.
#include "cllm/update.h"

#include <new>
#include <type_traits>

#include "api/arguments.h"
#include "update/slots.h"

namespace {

static_assert(sizeof(cllm::Slots) <= sizeof(cllm_slots) && alignof(cllm::Slots) <= alignof(cllm_slots));
static_assert(std::is_trivially_destructible_v<cllm::Slots>);

cllm::Slots* View(cllm_slots* slots) { return reinterpret_cast<cllm::Slots*>(slots); }

}  // namespace

cllm_status cllm_slots_open(const cllm_flash* flash, uint32_t record_blocks, const void* mapped,
                            cllm_slots* slots) {
  if (cllm::AnyNull(flash, mapped, slots)) return CLLM_NULL_ARGUMENT;
  return (new (slots) cllm::Slots)->Open(*flash, record_blocks, mapped);
}

cllm_status cllm_slots_describe(const cllm_slots* slots, cllm_slots_info* info) {
  if (cllm::AnyNull(slots, info)) return CLLM_NULL_ARGUMENT;
  if (info->struct_size != sizeof(cllm_slots_info)) return CLLM_STRUCT_SIZE;
  reinterpret_cast<const cllm::Slots*>(slots)->Describe(info);
  return CLLM_OK;
}

cllm_status cllm_slots_begin(cllm_slots* slots, const uint8_t* public_key) {
  if (cllm::AnyNull(slots)) return CLLM_NULL_ARGUMENT;
  return View(slots)->Begin(public_key);
}

cllm_status cllm_slots_write(cllm_slots* slots, const void* patch, uint32_t bytes) {
  if (cllm::AnyNull(slots) || (patch == nullptr && bytes > 0)) return CLLM_NULL_ARGUMENT;
  return View(slots)->Write(static_cast<const uint8_t*>(patch), bytes);
}

cllm_status cllm_slots_commit(cllm_slots* slots) {
  if (cllm::AnyNull(slots)) return CLLM_NULL_ARGUMENT;
  return View(slots)->Commit();
}
