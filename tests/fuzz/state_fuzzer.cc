#include "fuzz/state_fuzzer.h"

#include <map>
#include <vector>

#include "base/sha256.h"
#include "fuzz/small_session.h"

namespace cllm::testing {
namespace {

enum First : uint8_t { kInt8Cache = 1, kOverDelta = 2, kSealed = 4 };

const cllm_model& ModelOf(uint8_t first) {
  const SmallBase& base = SmallBase::Get();
  if ((first & kOverDelta) == 0) return base.model;
  static auto* const delta = new AlignedBytes(base.delta);
  static const cllm_model* const over = [&] {
    auto* model = new cllm_model;
    Require(cllm_model_apply(&base.model, delta->data(), delta->size(), model) == CLLM_OK, "a good delta");
    return model;
  }();
  return *over;
}

cllm_kv_format KvOf(uint8_t first) { return (first & kInt8Cache) != 0 ? CLLM_KV_INT8 : CLLM_KV_F32; }

void Seal(std::vector<uint8_t>* state) {
  if (state->size() < kSha256Bytes) return;
  Sha256Hasher hasher;
  const size_t covered = state->size() - kSha256Bytes;
  hasher.Add(state->data(), covered);
  hasher.Finish(state->data() + covered);
}

std::string SavedState(uint8_t first) {
  SmallSession session(ModelOf(first), KvOf(first));
  const uint32_t tokens[] = {0, 269, 7, 30, 31};
  uint64_t bytes = 0;
  Require(cllm_session_feed(session.get(), tokens, 5) == CLLM_OK, "tokens can be fed");
  Require(cllm_session_save_measure(session.get(), 0, &bytes) == CLLM_OK, "a state can be measured");
  std::string state(1 + static_cast<size_t>(bytes), static_cast<char>(first));
  Require(cllm_session_save(session.get(), 0, state.data() + 1, bytes) == CLLM_OK, "a state can be saved");
  return state;
}

}  // namespace

Status RestoreAndRun(const uint8_t* data, size_t size) {
  if (size == 0) return CLLM_STATE_TRUNCATED;
  // Of its exact size on the heap, so that the address sanitizer sees a read beyond it.
  std::vector<uint8_t> state(data + 1, data + size);
  if ((data[0] & kSealed) != 0) Seal(&state);
  SmallSession session(ModelOf(data[0]), KvOf(data[0]));
  const uint8_t none = 0;
  const Status status =
      cllm_session_restore(session.get(), 0, state.empty() ? &none : state.data(), state.size());
  if (status != CLLM_OK) {
    Require(cllm_session_position(session.get()) == 0, "nothing changes if restore fails");
    return status;
  }
  if (cllm_session_position(session.get()) > 0) session.GoOn();
  return CLLM_OK;
}

const std::string& GoodState(uint8_t first) {
  static auto* const states = new std::map<uint8_t, std::string>();
  const auto [state, is_new] = states->try_emplace(first);
  if (is_new) state->second = SavedState(first);
  return state->second;
}

}  // namespace cllm::testing
