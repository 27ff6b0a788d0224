/* The whole C API in one program: opens a model file, measures the room, and writes text.
 *   minimal MODEL.cllm PROMPT */
#define _POSIX_C_SOURCE 200112L /* posix_memalign */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cllm/cllm.h"

#define WANTED_TOKENS 200u
#define PROMPT_TOKENS 256u

static void Check(cllm_status status, const char* what) {
  if (status == CLLM_OK) return;
  fprintf(stderr, "%s: %s\n", what, cllm_status_name(status));
  exit(1);
}

static void* Aligned(uint64_t bytes) {
  void* block = NULL;
  if (posix_memalign(&block, CLLM_ALIGNMENT, (size_t)bytes) != 0) exit(1);
  return block;
}

static void* ReadFile(const char* path, uint64_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(1);
  }
  const long end = ftell(file);
  rewind(file);
  void* bytes = Aligned((uint64_t)end + 1);
  *size = fread(bytes, 1, (size_t)end, file);
  fclose(file);
  return bytes;
}

static void Print(const cllm_model* model, uint32_t previous, uint32_t token) {
  const char* text;
  uint32_t length;
  Check(cllm_tokens_decode(model, previous, token, &text, &length), "decode");
  fwrite(text, 1, length, stdout);
}

int main(int argc, char** argv) {
  cllm_model model;
  cllm_model_info info = {.struct_size = sizeof(info)};
  cllm_session* session;
  cllm_sampling sampling = {.struct_size = sizeof(sampling), .temperature = 0.7f, .seed = 1};
  uint32_t tokens[PROMPT_TOKENS], token, previous;
  uint64_t size, room_bytes, scratch_bytes, count;

  if (argc != 3) {
    fprintf(stderr, "usage: minimal MODEL.cllm PROMPT\n");
    return 2;
  }
  const char* prompt = argv[2];
  const void* bytes = ReadFile(argv[1], &size);
  Check(cllm_model_open(bytes, size, &model), argv[1]);
  Check(cllm_model_describe(&model, &info), argv[1]);

  Check(cllm_session_measure(&model, NULL, &room_bytes), "measure");
  void* room = Aligned(room_bytes);
  Check(cllm_session_create(&model, NULL, NULL, room, room_bytes, &session), "create");

  Check(cllm_tokens_encode_measure(&model, strlen(prompt), &scratch_bytes), "prompt");
  void* scratch = Aligned(scratch_bytes + 1);
  Check(cllm_tokens_encode(&model, prompt, strlen(prompt), scratch, scratch_bytes, tokens, PROMPT_TOKENS,
                           &count),
        "prompt");
  if (info.begin_token != CLLM_NO_TOKEN) Check(cllm_session_feed(session, &info.begin_token, 1), "feed");
  Check(cllm_session_feed(session, tokens, (uint32_t)count), "feed");

  previous = info.begin_token;
  for (uint64_t i = 0; i < count; previous = tokens[i++]) Print(&model, previous, tokens[i]);
  for (uint32_t i = 0; i < WANTED_TOKENS && cllm_session_position(session) < info.context; ++i) {
    Check(cllm_session_next(session, &sampling, &token), "next");
    if (token == info.end_token) break;
    Print(&model, previous, token);
    Check(cllm_session_feed(session, &token, 1), "feed");
    previous = token;
  }
  putchar('\n');
  return 0;
}
