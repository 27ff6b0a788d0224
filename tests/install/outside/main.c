/* A program of somebody else's: C99, the installed header and library, nothing more. It reaches every part of
 * the library through the API, so that a symbol missing anywhere fails the link. */
#include <stdio.h>
#include <string.h>

#include "cllm/cllm.h"

static int failures = 0;

static void expect(cllm_status status, cllm_status wanted, const char* what) {
  if (status == wanted) return;
  printf("%s: %s instead of %s\n", what, cllm_status_name(status), cllm_status_name(wanted));
  ++failures;
}

int main(void) {
  /* 64 bytes of nonsense, aligned by hand: C99 has no alignas. */
  static unsigned char storage[192];
  unsigned char* bytes = storage + (64 - (size_t)((uintptr_t)storage % 64)) % 64;
  cllm_model model;
  uint64_t room = 0;
  uint32_t token = 0;
  cllm_trainer* trainer = NULL;
  cllm_session* session = NULL;
  memset(bytes, 'x', 64);
  if (strcmp(cllm_version(), "0.1.0") != 0) {
    printf("version %s\n", cllm_version());
    ++failures;
  }
  expect(cllm_model_open(NULL, 64, &model), CLLM_NULL_ARGUMENT, "open without bytes");
  expect(cllm_model_open(bytes + 1, 64, &model), CLLM_MISALIGNED, "open of odd bytes");
  expect(cllm_model_open(bytes, 64, &model), CLLM_FILE_NOT_CLLM, "open of nonsense");
  expect(cllm_session_measure(NULL, NULL, &room), CLLM_NULL_ARGUMENT, "measure");
  expect(cllm_session_create(NULL, NULL, NULL, bytes, 64, &session), CLLM_NULL_ARGUMENT, "create");
  expect(cllm_session_feed(NULL, &token, 1), CLLM_NULL_ARGUMENT, "feed");
  expect(cllm_session_next(NULL, NULL, &token), CLLM_NULL_ARGUMENT, "next");
  expect(cllm_tokens_encode_measure(NULL, 1, &room), CLLM_NULL_ARGUMENT, "encode");
  expect(cllm_trainer_create(NULL, NULL, NULL, bytes, 64, &trainer), CLLM_NULL_ARGUMENT, "trainer");
  return failures != 0;
}
