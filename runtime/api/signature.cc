// Room: api. Translates cllm_model_open_signed and the checks of blocks.
#include "model/signature.h"

#include <cstring>

#include "api/arguments.h"
#include "api/model_view.h"
#include "cllm/cllm.h"

cllm_status cllm_model_open_signed(const void* bytes, uint64_t size, const uint8_t public_key[32],
                                   cllm_model* model) {
  if (model == nullptr) return CLLM_NULL_ARGUMENT;
  cllm::Model opened = {};
  const cllm_status status = cllm::OpenSigned(bytes, size, public_key, &opened);
  std::memset(model, 0, sizeof(*model));
  std::memcpy(model->opaque, &opened, sizeof(opened));
  return status;
}

cllm_status cllm_model_describe_blocks(const cllm_model* model, cllm_blocks_info* info) {
  if (cllm::AnyNull(model, info)) return CLLM_NULL_ARGUMENT;
  if (info->struct_size != sizeof(cllm_blocks_info)) return CLLM_STRUCT_SIZE;
  cllm::Model view;
  cllm::BlockTree tree;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  CLLM_RETURN_IF_ERROR(cllm::ReadBlockTree(view, &tree));
  info->block_bytes = static_cast<uint32_t>(tree.block_bytes);
  info->first_offset = static_cast<uint64_t>(tree.bytes - view.bytes);
  info->bytes = tree.count;
  info->blocks = tree.blocks();
  return CLLM_OK;
}

cllm_status cllm_model_verify_block(const cllm_model* model, uint64_t block) {
  cllm::Model view;
  cllm::BlockTree tree;
  CLLM_RETURN_IF_ERROR(cllm::GetView(model, &view));
  CLLM_RETURN_IF_ERROR(cllm::ReadBlockTree(view, &tree));
  if (block >= tree.blocks()) return CLLM_INDEX_RANGE;
  return cllm::CheckBlock(tree, block) ? CLLM_OK : CLLM_BLOCK_DAMAGED;
}
