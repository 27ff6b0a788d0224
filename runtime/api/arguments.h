// Room: api. What every entry of the C API checks before anything else.
#ifndef CLLM_API_ARGUMENTS_H_
#define CLLM_API_ARGUMENTS_H_

namespace cllm {

template <typename... Pointers>
bool AnyNull(const Pointers*... pointers) {
  return (... || (pointers == nullptr));
}

}  // namespace cllm

#endif  // CLLM_API_ARGUMENTS_H_
