#include "fuzz/delta_fuzzer.h"

#include "fuzz/small_session.h"

namespace cllm::testing {

Status ApplyAndRun(const uint8_t* data, size_t size) {
  const SmallBase& base = SmallBase::Get();
  AlignedBytes bytes(std::string_view(reinterpret_cast<const char*>(data), size));
  cllm_model model;
  const Status status = cllm_model_apply(&base.model, bytes.data(), bytes.size(), &model);
  if (status != CLLM_OK) return status;
  SmallSession session(model, CLLM_KV_F32);
  const uint32_t tokens[] = {0, 269, 7};
  Require(cllm_session_feed(session.get(), tokens, 3) == CLLM_OK, "tokens can be fed");
  session.GoOn();
  return CLLM_OK;
}

const std::string& GoodDelta() { return SmallBase::Get().delta; }

}  // namespace cllm::testing
