/* On the device what `cllm digest` is on the host, for a model that the emulator put at an address; and what
 * it cost: room, instructions a token, stack. One "name value" a line. */
#include <stddef.h>

#include "cllm/cllm.h"
#include "cortex_m/cortex_m.h"
#include "sha256.h"

/* The file's size in the first word, the file 64 bytes later. */
#define MODEL_BYTES ((const uint8_t*)(CLLM_MODEL_ADDRESS + CLLM_ALIGNMENT))
#define MODEL_SIZE (*(const volatile uint32_t*)CLLM_MODEL_ADDRESS)

enum { FED = CLLM_DIGEST_TOKENS, CONTINUED = 64, CONTEXT = 32 };

static cllm_model model;
static uint8_t room[240 * 1024] __attribute__((aligned(CLLM_ALIGNMENT)));
static sha256 hash;

static void check(cllm_status status) {
  if (status == CLLM_OK) return;
  cortex_m_print(cllm_status_name(status));
  cortex_m_print("\n");
  cortex_m_exit((int)status);
}

static void report(const char* name, uint64_t value) {
  cortex_m_print(name);
  cortex_m_print(" ");
  cortex_m_print_number(value);
  cortex_m_print("\n");
}

static void report_hash(const char* name) {
  char hex[65];
  sha256_finish(&hash, hex);
  cortex_m_print(name);
  cortex_m_print(" ");
  cortex_m_print(hex);
  cortex_m_print("\n");
}

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

/* Token i of the sequence of `cllm digest`: SplitMix64 over seed 20260101, stream 4 and the counter. */
static uint32_t digest_token(uint32_t i, uint32_t vocabulary_size) {
  const uint64_t golden = 0x9E3779B97F4A7C15u;
  const uint64_t key = mix(mix(20260101 + golden) + golden * 5);
  return (uint32_t)(mix(key + golden * ((uint64_t)i + 1)) % vocabulary_size);
}

static cllm_session* create(uint32_t context) {
  cllm_session* session;
  uint64_t room_bytes;
  const cllm_limits limits = {.struct_size = sizeof(limits), .context = context, .batch = 1};
  check(cllm_session_measure(&model, &limits, &room_bytes));
  check(cllm_session_create(&model, &limits, NULL, room, sizeof(room), &session));
  cortex_m_print("context ");
  cortex_m_print_number(context);
  report(" room_bytes", room_bytes);
  return session;
}

static void digest(const cllm_model_info* info) {
  cllm_session* session = create(FED + CONTINUED);
  const float* logits;
  uint32_t token;
  sha256_start(&hash);
  for (uint32_t i = 0; i < FED; ++i) {
    token = digest_token(i, info->vocabulary_size);
    check(cllm_session_feed(session, &token, 1));
    check(cllm_session_logits(session, 0, &logits));
    sha256_add(&hash, logits, info->vocabulary_size * (uint32_t)sizeof(float));
  }
  report_hash("logits");
  sha256_start(&hash);
  for (uint32_t i = 0; i < CONTINUED; ++i) {
    check(cllm_session_next(session, NULL, &token));
    if (i + 1 < CONTINUED) check(cllm_session_feed(session, &token, 1));
    sha256_add(&hash, &token, sizeof(token));
  }
  report_hash("tokens");
}

/* Instructions of feeding a token and drawing the next, over a whole context. The emulator takes 1024 ns for
 * an instruction (-icount shift=10). */
static void count_instructions(void) {
  cllm_session* session = create(CONTEXT);
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
  cllm_session* session = create(CONTEXT);
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
