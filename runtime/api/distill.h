// Room: api. A teacher for a trainer: for the converter, and so not in cllm.h.
#ifndef CLLM_API_DISTILL_H_
#define CLLM_API_DISTILL_H_

#include "cllm/cllm.h"

#ifdef __cplusplus
extern "C" {
#endif

/* From the next batch on, the share `share` (0 to 1) of each target's probability is as the teacher predicts
 * it, another trainer than this, in place of the token itself (Hinton et al., arXiv 1503.02531); losses stay
 * those of the tokens. teacher NULL: none, as at first. Calls on this trainer use the teacher's room, which
 * must live as long. Errors: CLLM_OPTIMIZER_RANGE (share), CLLM_TOKEN_RANGE (a vocabulary of another size),
 * CLLM_LIMIT_LENGTH (the teacher's limits are smaller), CLLM_NULL_ARGUMENT (trainer). */
cllm_status cllm_trainer_distill(cllm_trainer* trainer, cllm_trainer* teacher, float share);

#ifdef __cplusplus
}
#endif

#endif  // CLLM_API_DISTILL_H_
