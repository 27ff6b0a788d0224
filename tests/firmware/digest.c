/* On the device what `cllm digest` is on the host, for a model that the emulator put at an address; and what
 * it cost: room, instructions a token, stack. One "name value" a line. */
#include <stddef.h>

#include "cllm/cllm.h"
#include "firmware/report.h"
#include "machines/digest.h"

/* The file's size in the first word, the file 64 bytes later. */
#define MODEL_BYTES ((const uint8_t*)(CLLM_MODEL_ADDRESS + CLLM_ALIGNMENT))
#define MODEL_SIZE (*(const volatile uint32_t*)CLLM_MODEL_ADDRESS)

enum { FED = CLLM_DIGEST_TOKENS, CONTEXT = 32 };

static cllm_model model;
static uint8_t room[240 * 1024] __attribute__((aligned(CLLM_ALIGNMENT)));

static cllm_session* create(uint32_t context, cllm_kv_format kv_format) {
  cllm_session* session;
  uint64_t room_bytes;
  const cllm_limits limits = {
      .struct_size = sizeof(limits), .context = context, .batch = 1, .kv_format = kv_format};
  check(cllm_session_measure(&model, &limits, &room_bytes));
  check(cllm_session_create(&model, &limits, NULL, room, sizeof(room), &session));
  cortex_m_print(kv_format == CLLM_KV_INT8 ? "int8_cache_context " : "context ");
  cortex_m_print_number(context);
  report(" room_bytes", room_bytes);
  return session;
}

/* Builds without it say so in the status. */
static int has_int8_cache(void) {
  uint64_t room_bytes;
  const cllm_limits limits = {.struct_size = sizeof(limits), .batch = 1, .kv_format = CLLM_KV_INT8};
  const cllm_status status = cllm_session_measure(&model, &limits, &room_bytes);
  if (status != CLLM_LIMIT_KV_FORMAT) check(status);
  return status == CLLM_OK;
}

static void digest(const cllm_model_info* info) {
  static char logits[65], tokens[65];
  check(digest_session(create(FED + DIGEST_CONTINUED, CLLM_KV_F32), info->vocabulary_size, FED, logits,
                       tokens));
  report_text("logits", logits);
  report_text("tokens", tokens);
  if (!has_int8_cache()) return;
  check(digest_session(create(FED + DIGEST_CONTINUED, CLLM_KV_INT8), info->vocabulary_size, FED, logits,
                       tokens));
  report_text("int8_cache_logits", logits);
  report_text("int8_cache_tokens", tokens);
}

/* Instructions of feeding a token and drawing the next, over a whole context. The emulator takes 1024 ns for
 * an instruction (-icount shift=10). */
static void count_instructions(void) {
  cllm_session* session = create(CONTEXT, CLLM_KV_F32);
  uint64_t total = 0, most = 0;
  uint32_t token = 1;
  cortex_m_start_ticks();
  for (uint32_t i = 0; i < CONTEXT; ++i) {
    const uint64_t before = cortex_m_ticks();
    check(cllm_session_feed(session, &token, 1));
    check(cllm_session_next(session, NULL, &token));
    const uint64_t ticks = cortex_m_ticks() - before;
    const uint64_t instructions = ticks * 1000000000u / CLLM_CLOCK_HZ / 1024u;
    total += instructions;
    if (instructions > most) most = instructions;
  }
  report("instructions_mean", total / CONTEXT);
  report("instructions_most", most);
}

/* What else of the API a program uses, for the depth of the stack: text to tokens and back, a random draw. */
static void use_the_rest(void) {
  static const char text[] = "Once upon a time";
  static uint32_t tokens[sizeof(text) + 1];
  uint64_t count;
  cllm_status status =
      cllm_tokens_encode(&model, text, sizeof(text) - 1, room, sizeof(room), tokens, sizeof(text), &count);
  if (status == CLLM_UNSUPPORTED_TOKENIZER) {
    count = 1; /* a model without a tokenizer */
  } else {
    check(status);
  }
  const cllm_sampling sampling = {.struct_size = sizeof(sampling),
                                  .temperature = 0.8f,
                                  .top_k = 40,
                                  .top_p = 0.95f,
                                  .repetition_penalty = 1.1f};
  cllm_session* session = create(CONTEXT, CLLM_KV_F32);
  const char* piece;
  uint32_t token, bytes;
  check(cllm_session_feed(session, tokens, (uint32_t)count));
  check(cllm_session_next(session, &sampling, &token));
  if (status == CLLM_OK) check(cllm_tokens_decode(&model, CLLM_NO_TOKEN, token, &piece, &bytes));
}

int main(void) {
  cllm_model_info info = {.struct_size = sizeof(info)};
  check(cllm_model_open(MODEL_BYTES, MODEL_SIZE, &model));
  check(cllm_model_describe(&model, &info));
  report("model_parameters", info.parameters);
  digest(&info);
  count_instructions();
  use_the_rest();
  report("stack_bytes", cortex_m_stack_used());
  return 0;
}
