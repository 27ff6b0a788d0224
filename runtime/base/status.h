// Room: base. The status type of the runtime is the public one; this header only gives it a short name.
#ifndef CLLM_BASE_STATUS_H_
#define CLLM_BASE_STATUS_H_

#include "cllm/cllm.h"

namespace cllm {

using Status = cllm_status;

}  // namespace cllm

#define CLLM_RETURN_IF_ERROR(expression)              \
  do {                                                \
    const ::cllm::Status cllm_status_ = (expression); \
    if (cllm_status_ != CLLM_OK) return cllm_status_; \
  } while (false)

#endif  // CLLM_BASE_STATUS_H_
