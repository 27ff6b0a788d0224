/* What `cllm digest` computes, for machines that it does not run on. */
#ifndef CLLM_TESTS_MACHINES_DIGEST_H_
#define CLLM_TESTS_MACHINES_DIGEST_H_

#include "cllm/cllm.h"

enum { DIGEST_CONTINUED = 64 };

/* Feeds the first `fed` tokens of the sequence of `cllm digest`, one by one, to a fresh session of a context
 * of at least fed + DIGEST_CONTINUED, and continues greedily. Each hash becomes 64 hexadecimal digits and
 * a 0. The first status that is not CLLM_OK. */
cllm_status digest_session(cllm_session* session, uint32_t vocabulary_size, uint32_t fed,
                           char logits_hash[65], char tokens_hash[65]);

#endif /* CLLM_TESTS_MACHINES_DIGEST_H_ */
