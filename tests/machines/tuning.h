/* A short fine-tuning of a model on a fixed sequence, the same on every machine: adapters of rank 4 beside
 * the matrices of attention, 32 tokens a step. */
#ifndef CLLM_TESTS_MACHINES_TUNING_H_
#define CLLM_TESTS_MACHINES_TUNING_H_

#include "cllm/cllm.h"

enum { TUNING_STEPS = 2, TUNING_TOKENS = 32 };

typedef struct tuning_result {
  char delta[65];       /* SHA-256 of the delta, 64 hexadecimal digits and a 0 */
  cllm_tuner_info info; /* of the tuner that fitted into the room */
  float losses[TUNING_STEPS];
} tuning_result;

/* The first status that is not CLLM_OK. */
cllm_status tuning_run(const cllm_model* model, cllm_method method, void* room, uint64_t room_bytes,
                       tuning_result* result);

#endif /* CLLM_TESTS_MACHINES_TUNING_H_ */
