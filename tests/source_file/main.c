/* Compares the linked model with the file whose path is given. */
#include <stdio.h>

#include "model_file.h"

int main(int argc, char** argv) {
  FILE* file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  uint32_t i;
  if (file == NULL) return 2;
  if ((uintptr_t)model_file % 64 != 0) return puts("the model is not aligned"), 1;
  for (i = 0; i < model_file_bytes; ++i) {
    if (fgetc(file) != model_file[i]) return printf("byte %lu differs\n", (unsigned long)i), 1;
  }
  return fgetc(file) == EOF ? 0 : (puts("the file is longer"), 1);
}
