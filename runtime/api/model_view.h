// Room: api. The verified model inside the public struct's storage.
#ifndef CLLM_API_MODEL_VIEW_H_
#define CLLM_API_MODEL_VIEW_H_

#include <cstring>
#include <type_traits>

#include "cllm/cllm.h"
#include "model/model.h"

namespace cllm {

static_assert(sizeof(Model) <= sizeof(cllm_model) && std::is_trivially_copyable_v<Model>);

// Copies the view out of the storage, which callers may have copied as plain numbers.
// CLLM_NULL_ARGUMENT, or CLLM_MODEL_NOT_OPEN if cllm_model_open has not succeeded.
inline Status GetView(const cllm_model* model, Model* view) {
  if (model == nullptr) return CLLM_NULL_ARGUMENT;
  std::memcpy(view, model->opaque, sizeof(*view));
  return view->head != nullptr ? CLLM_OK : CLLM_MODEL_NOT_OPEN;
}

}  // namespace cllm

#endif  // CLLM_API_MODEL_VIEW_H_
