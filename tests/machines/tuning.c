#include "machines/tuning.h"

#include <stddef.h>

#include "machines/sha256.h"

static cllm_status hash_delta(const cllm_tuner* tuner, uint64_t bytes, char hex[65]) {
  static sha256 hash; /* not on the stack, whose depth the firmware measures */
  static uint8_t part[256];
  cllm_status status = CLLM_OK;
  sha256_start(&hash);
  for (uint64_t at = 0; at < bytes && status == CLLM_OK; at += sizeof(part)) {
    const uint64_t rest = bytes - at;
    const uint32_t count = (uint32_t)(rest < sizeof(part) ? rest : sizeof(part));
    status = cllm_tuner_export(tuner, at, part, count);
    if (status == CLLM_OK) sha256_add(&hash, part, count);
  }
  sha256_finish(&hash, hex);
  return status;
}

cllm_status tuning_run(const cllm_model* model, cllm_method method, void* room, uint64_t room_bytes,
                       tuning_result* result) {
  static uint32_t tokens[TUNING_TOKENS + 1];
  static const cllm_optimizer optimizer = {
      sizeof(cllm_optimizer), 1.0f, 0.9f, 0.99f, 1e-8f, 0.9f, {0.01f, 0.01f}, {0.0f, 0.0f}, {0.0f, 0.0f}};
  cllm_tuner* tuner = NULL;
  cllm_tuner_limits limits = {0};
  cllm_model_info model_info = {0};
  model_info.struct_size = sizeof(model_info);
  cllm_status status = cllm_model_describe(model, &model_info);
  if (status != CLLM_OK) return status;
  for (uint32_t i = 0; i <= TUNING_TOKENS; ++i)
    tokens[i] = (i * 7919 + i * i * 31 + 3) % model_info.vocabulary_size;
  limits.struct_size = sizeof(limits);
  limits.length = TUNING_TOKENS;
  limits.method = method;
  limits.adapted = CLLM_TUNE_QUERY_KEY_VALUE | CLLM_TUNE_ATTENTION_OUTPUT;
  limits.rank = 4;
  limits.room_bytes = room_bytes;
  limits.seed = 1;
  result->info.struct_size = sizeof(result->info);
  status = cllm_tuner_measure(model, &limits, &result->info);
  if (status == CLLM_OK) status = cllm_tuner_create(model, &limits, NULL, room, room_bytes, &tuner);
  for (uint32_t step = 0; step < TUNING_STEPS && status == CLLM_OK; ++step) {
    status = cllm_tuner_accumulate(tuner, tokens, tokens + 1, TUNING_TOKENS, 1.0f / TUNING_TOKENS,
                                   &result->losses[step]);
    if (status == CLLM_OK) status = cllm_tuner_update(tuner, &optimizer, NULL);
  }
  return status == CLLM_OK ? hash_delta(tuner, result->info.delta_bytes, result->delta) : status;
}
