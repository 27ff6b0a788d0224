// Room: api. The verified model inside the public struct's storage.
#ifndef CLLM_API_MODEL_VIEW_H_
#define CLLM_API_MODEL_VIEW_H_

#include "cllm/cllm.h"
#include "model/model.h"

namespace cllm {

static_assert(sizeof(Model) <= sizeof(cllm_model) && alignof(Model) <= alignof(cllm_model));

inline const Model& View(const cllm_model* model) { return *reinterpret_cast<const Model*>(model->opaque); }

}  // namespace cllm

#endif  // CLLM_API_MODEL_VIEW_H_
