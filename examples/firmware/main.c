/* A language model on a microcontroller: the model in flash, all that is written in one block of RAM. */
#include <stddef.h>
#include <string.h>

#include "cllm/cllm.h"
#include "cortex_m/cortex_m.h"

#ifdef CLLM_MODEL_ADDRESS
/* Put there by a boot loader: the file's size in the first word, the file 64 bytes later. */
#define MODEL_BYTES ((const uint8_t*)(CLLM_MODEL_ADDRESS + CLLM_ALIGNMENT))
#define MODEL_SIZE (*(const volatile uint32_t*)CLLM_MODEL_ADDRESS)
#else
/* Of model.S, or of what `cllm export --to c` or `--to asm` writes as model_file. */
extern const uint8_t model_file[];
extern const uint32_t model_file_bytes;
#define MODEL_BYTES model_file
#define MODEL_SIZE model_file_bytes
#endif

enum { CONTEXT = 128, BATCH = 8, PROMPT_TOKENS = 32 };

#ifndef CLLM_ROOM_BYTES
#define CLLM_ROOM_BYTES (256 * 1024)
#endif

static cllm_model model;
static uint8_t room[CLLM_ROOM_BYTES] __attribute__((aligned(CLLM_ALIGNMENT)));
static uint32_t tokens[PROMPT_TOKENS];

static void check(cllm_status status) {
  if (status == CLLM_OK) return;
  cortex_m_print(cllm_status_name(status));
  cortex_m_print("\n");
  cortex_m_exit((int)status);
}

/* The prompt's tokens, with the begin token before them if the model has one. The room is not in use yet and
 * serves as scratch. */
static uint32_t encode_prompt(const cllm_model_info* info) {
  const char prompt[] = CLLM_PROMPT;
  uint32_t begin = 0;
  uint64_t count;
  if (info->begin_token != CLLM_NO_TOKEN) tokens[begin++] = info->begin_token;
  check(cllm_tokens_encode(&model, prompt, sizeof(prompt) - 1, room, sizeof(room), tokens + begin,
                           PROMPT_TOKENS - begin, &count));
  cortex_m_print(prompt);
  return begin + (uint32_t)count;
}

/* The longest context that the room has space for, with keys and values in float32 or, if that is too much,
 * in a byte or half a byte each. */
static cllm_limits fitting_limits(uint32_t model_context) {
  cllm_limits limits = {.struct_size = sizeof(limits), .batch = BATCH};
  uint64_t bytes = 0;
  for (limits.context = model_context < CONTEXT ? model_context : CONTEXT; limits.context >= PROMPT_TOKENS;
       limits.context /= 2) {
    for (limits.kv_format = CLLM_KV_F32; limits.kv_format <= CLLM_KV_INT8_LATTICE4; ++limits.kv_format) {
      const cllm_status status = cllm_session_measure(&model, &limits, &bytes);
      if (status == CLLM_LIMIT_KV_FORMAT) continue;    /* built without such a cache */
      if (status == CLLM_LIMIT_KV_HEAD_SIZE) continue; /* not for this model's heads */
      check(status);
      if (bytes <= sizeof(room)) return limits;
    }
  }
  cortex_m_print("this model needs a room of ");
  cortex_m_print_number(bytes);
  cortex_m_print(" bytes at least: enlarge CLLM_ROOM_BYTES, or take a smaller model\n");
  check(CLLM_ROOM_TOO_SMALL);
  return limits;
}

int main(void) {
  cllm_model_info info = {.struct_size = sizeof(info)};
  cllm_session* session;

  check(cllm_model_open(MODEL_BYTES, MODEL_SIZE, &model));
  check(cllm_model_describe(&model, &info));
  const cllm_limits limits = fitting_limits(info.context);
  const uint32_t count = encode_prompt(&info);
  uint32_t length = info.begin_token != CLLM_NO_TOKEN ? count - 1 : count;
  check(cllm_session_create(&model, &limits, NULL, room, sizeof(room), &session));
  check(cllm_session_feed(session, tokens, count));

  uint32_t previous = tokens[count - 1];
  while (length < CLLM_TOKENS) {
    uint32_t token, bytes;
    const char* text;
    check(cllm_session_next(session, NULL, &token));
    if (token == info.end_token || token == info.begin_token) break;
    check(cllm_tokens_decode(&model, previous, token, &text, &bytes));
    cortex_m_write(text, bytes);
    if (++length == CLLM_TOKENS || cllm_session_position(session) == limits.context) break;
    check(cllm_session_feed(session, &token, 1));
    previous = token;
  }
  cortex_m_print("\n");
  return 0;
}
