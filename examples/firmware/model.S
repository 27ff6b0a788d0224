/* The model file, as it is, in flash: the runtime reads it in place. */
  .section .model, "a"
  .balign 64
  .global model_start
model_start:
  .incbin CLLM_MODEL_FILE
  .global model_end
model_end:
