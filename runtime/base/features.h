// Room: base. What a build leaves out (runtime/CMakeLists.txt): firmware, where code is scarce. Numbers only.
#ifndef CLLM_BASE_FEATURES_H_
#define CLLM_BASE_FEATURES_H_

namespace cllm {

// Without: the threads that cllm_workers gives are left alone.
#ifdef CLLM_WITHOUT_WORKERS
inline constexpr bool kHasWorkers = false;
#else
inline constexpr bool kHasWorkers = true;
#endif

// Without: limits refuse the format of keys and values.
#ifdef CLLM_WITHOUT_INT8_CACHE
inline constexpr bool kHasInt8Cache = false;
#else
inline constexpr bool kHasInt8Cache = true;
#endif

// Likewise.
#ifdef CLLM_WITHOUT_LATTICE_CACHE
inline constexpr bool kHasLatticeCache = false;
#else
inline constexpr bool kHasLatticeCache = true;
#endif
// Either: queries are int8.
inline constexpr bool kHasSmallCache = kHasInt8Cache || kHasLatticeCache;

// Without: open refuses matrices of bfloat16, and a trainer that precision.
#ifdef CLLM_WITHOUT_BF16
inline constexpr bool kHasBf16 = false;
#else
inline constexpr bool kHasBf16 = true;
#endif

// Likewise matrices on the lattice.
#ifdef CLLM_WITHOUT_LATTICE
inline constexpr bool kHasLattice = false;
#else
inline constexpr bool kHasLattice = true;
#endif

// Likewise deltas, what fine-tuning changed of a model: cllm_model_apply then refuses all.
#ifdef CLLM_WITHOUT_DELTAS
inline constexpr bool kHasDeltas = false;
#else
inline constexpr bool kHasDeltas = true;
#endif

// Likewise signatures, with the checks of blocks: cllm_model_open_signed then refuses all.
#ifdef CLLM_WITHOUT_SIGNATURES
inline constexpr bool kHasSignatures = false;
#else
inline constexpr bool kHasSignatures = true;
#endif

// Without: open refuses each architecture switch that differs from Llama's (base/variant.h has constants
// then).
#ifdef CLLM_WITHOUT_VARIANTS
inline constexpr bool kHasVariants = false;
#else
inline constexpr bool kHasVariants = true;
#endif

// Without: encode refuses tokenizers that only imported models have, and open unigram ones.
#ifdef CLLM_WITHOUT_ALL_TOKENIZERS
inline constexpr bool kHasAllTokenizers = false;
#else
inline constexpr bool kHasAllTokenizers = true;
#endif

}  // namespace cllm

#endif  // CLLM_BASE_FEATURES_H_
