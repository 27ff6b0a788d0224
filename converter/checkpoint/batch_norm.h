// Room: converter/checkpoint. Batch norms as what they are after training: a scale and a shift.
#ifndef CLLM_CONVERTER_CHECKPOINT_BATCH_NORM_H_
#define CLLM_CONVERTER_CHECKPOINT_BATCH_NORM_H_

#include "converter/checkpoint/checkpoint.h"

namespace cllm {

// Folds running statistics into weight and bias, so that the norms become affine ones. A checkpoint without
// batch norms stays as it is.
void FoldBatchNorms(Checkpoint* checkpoint);

}  // namespace cllm

#endif  // CLLM_CONVERTER_CHECKPOINT_BATCH_NORM_H_
