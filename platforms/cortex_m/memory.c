/* What compilers take for granted of a C library, in a fifth of newlib's code. Words are copied where both
 * sides are aligned, as rows of floats are. */
#include <stddef.h>
#include <stdint.h>

void* memcpy(void* restrict to, const void* restrict from, size_t bytes);
void* memmove(void* to, const void* from, size_t bytes);
void* memset(void* to, int value, size_t bytes);
int memcmp(const void* a, const void* b, size_t bytes);
int strncmp(const char* a, const char* b, size_t bytes);
size_t strlen(const char* text);

typedef uint32_t __attribute__((may_alias)) word;

/* Upwards, and so right where `to` overlaps what follows it. */
static void copy(unsigned char* t, const unsigned char* f, size_t bytes) {
  if ((((uintptr_t)t | (uintptr_t)f) & 3) == 0) {
    for (; bytes >= 4; bytes -= 4, t += 4, f += 4) *(word*)t = *(const word*)f;
  }
  for (; bytes > 0; --bytes) *t++ = *f++;
}

void* memcpy(void* restrict to, const void* restrict from, size_t bytes) {
  copy((unsigned char*)to, (const unsigned char*)from, bytes);
  return to;
}

void* memmove(void* to, const void* from, size_t bytes) {
  unsigned char* t = (unsigned char*)to;
  const unsigned char* f = (const unsigned char*)from;
  if ((uintptr_t)t - (uintptr_t)f >= bytes) {
    copy(t, f, bytes);
  } else {
    for (; bytes > 0; --bytes) t[bytes - 1] = f[bytes - 1];
  }
  return to;
}

void* memset(void* to, int value, size_t bytes) {
  unsigned char* t = (unsigned char*)to;
  for (; bytes > 0 && ((uintptr_t)t & 3) != 0; --bytes) *t++ = (unsigned char)value;
  const word all = 0x01010101u * (unsigned char)value;
  for (; bytes >= 16; bytes -= 16, t += 16) {
    word* four = (word*)t;
    four[0] = four[1] = four[2] = four[3] = all;
  }
  for (; bytes > 0; --bytes) *t++ = (unsigned char)value;
  return to;
}

int memcmp(const void* a, const void* b, size_t bytes) {
  const unsigned char *x = (const unsigned char*)a, *y = (const unsigned char*)b;
  for (; bytes > 0; --bytes, ++x, ++y) {
    if (*x != *y) return *x - *y;
  }
  return 0;
}

int strncmp(const char* a, const char* b, size_t bytes) {
  for (; bytes > 0; --bytes, ++a, ++b) {
    const unsigned char x = (unsigned char)*a, y = (unsigned char)*b;
    if (x != y || x == 0) return x - y;
  }
  return 0;
}

size_t strlen(const char* text) {
  size_t bytes = 0;
  while (text[bytes] != 0) ++bytes;
  return bytes;
}
