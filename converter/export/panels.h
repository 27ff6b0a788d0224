// Room: converter/export. Row-major float tensors to the segments of a file (runtime/base/layout.h) and back.
#ifndef CLLM_CONVERTER_EXPORT_PANELS_H_
#define CLLM_CONVERTER_EXPORT_PANELS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "converter/checkpoint/checkpoint.h"
#include "converter/lattice/nearest_plane.h"
#include "model/model.h"

namespace cllm {

// The segment's bytes, StoredBytes(config, role, format) of them; vectors are float32 in any format.
std::string PackTensor(const Config& config, Role role, const FloatTensor& tensor, Dtype format);

using RoundedTensors = std::map<TensorKey, std::vector<RoundedRow>>;

// The segment's bytes of a matrix on the lattice, from its rounded rows.
std::string PackRoundedRows(const Config& config, Role role, const std::vector<RoundedRow>& rows,
                            uint32_t columns, int fine_bits);

// The floats that the segment's bytes stand for.
FloatTensor Rounded(const Config& config, Role role, const FloatTensor& tensor, Dtype format);

// The inverse; integer weights become the floats that they stand for, and an adapter is merged.
FloatTensor UnpackTensor(const Config& config, Role role, const Tensor& stored, const Adapter& adapter = {});

// The smallest bf16 that is at least max_absolute / 127 and at least 2^-50: so no weight clips, and no
// product of scales is denormal.
uint16_t WeightScale(float max_absolute);

}  // namespace cllm

#endif  // CLLM_CONVERTER_EXPORT_PANELS_H_
