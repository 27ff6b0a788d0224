// Room: converter/inspect. Why a model file does not open, and where: for people, who cannot do much with a
// status.
#ifndef CLLM_CONVERTER_INSPECT_DIAGNOSE_H_
#define CLLM_CONVERTER_INSPECT_DIAGNOSE_H_

#include <string>
#include <string_view>

namespace cllm {

// For bytes that cllm_model_open refuses, at a multiple of 64: the offset, the field, what should be there
// and what is; "" where there is nothing to add to the status.
std::string DiagnoseModel(std::string_view file);

}  // namespace cllm

#endif  // CLLM_CONVERTER_INSPECT_DIAGNOSE_H_
