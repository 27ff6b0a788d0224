/* The model file, as it is, in flash: the runtime reads it in place. */
  .section .model, "a"
  .balign 64
  .global model_file
model_file:
  .incbin CLLM_MODEL_FILE
model_file_end:
  .balign 4
  .global model_file_bytes
model_file_bytes:
  .long model_file_end - model_file
