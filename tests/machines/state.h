/* What `cllm generate --state` does, for machines that it does not run on. */
#ifndef CLLM_TESTS_MACHINES_STATE_H_
#define CLLM_TESTS_MACHINES_STATE_H_

#include "cllm/cllm.h"

/* Restores the state into the session, saves it again to `again`, which must give the same bytes, and writes
 * the `count` likeliest tokens that follow. The first status that is not CLLM_OK; CLLM_STATE_DAMAGED for
 * other bytes. */
cllm_status continue_state(const cllm_model* model, cllm_session* session, const uint8_t* state,
                           uint64_t bytes, uint8_t* again, uint32_t count,
                           void (*write)(const char* text, uint32_t bytes));

/* The cllm_kv_format that a state of at least 20 bytes states. */
uint32_t kv_format_of_state(const uint8_t* state);

#endif /* CLLM_TESTS_MACHINES_STATE_H_ */
