// Room: base. What a build leaves out. Numbers only.
#ifndef CLLM_BASE_FEATURES_H_
#define CLLM_BASE_FEATURES_H_

namespace cllm {

// Firmware may be built without, where code is scarce (runtime/CMakeLists.txt); limits then refuse the
// format.
#ifdef CLLM_WITHOUT_INT8_CACHE
inline constexpr bool kHasInt8Cache = false;
#else
inline constexpr bool kHasInt8Cache = true;
#endif

// Likewise matrices of bfloat16, of which open then refuses the type and a trainer the precision.
#ifdef CLLM_WITHOUT_BF16
inline constexpr bool kHasBf16 = false;
#else
inline constexpr bool kHasBf16 = true;
#endif

// Likewise deltas, what fine-tuning changed of a model: cllm_model_apply then refuses all.
#ifdef CLLM_WITHOUT_DELTAS
inline constexpr bool kHasDeltas = false;
#else
inline constexpr bool kHasDeltas = true;
#endif

}  // namespace cllm

#endif  // CLLM_BASE_FEATURES_H_
