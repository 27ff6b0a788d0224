/* Console and exit by Arm's semihosting for AArch32 and AArch64: operations 0x01, 0x05 and 0x20. */
#include "cortex_m/cortex_m.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_WRITE = 4, STOPPED_APPLICATION_EXIT = 0x20026 };

static uintptr_t call(uintptr_t operation, const void* argument) {
  register uintptr_t r0 __asm("r0") = operation;
  register const void* r1 __asm("r1") = argument;
  __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

void cortex_m_write(const char* text, uint32_t bytes) {
  static uintptr_t console;
  if (console == 0) {
    static const char name[] = ":tt";
    const uintptr_t open[3] = {(uintptr_t)name, MODE_WRITE, sizeof(name) - 1};
    console = call(SYS_OPEN, open);
  }
  const uintptr_t write[3] = {console, (uintptr_t)text, bytes};
  call(SYS_WRITE, write);
}

void cortex_m_print(const char* text) {
  uint32_t bytes = 0;
  while (text[bytes] != 0) ++bytes;
  cortex_m_write(text, bytes);
}

/* Bit by bit, doubling decimal digits: a division of 64 bits would be a kilobyte of library code. */
void cortex_m_print_number(uint64_t number) {
  char digits[20];
  uint32_t at, bit, first = sizeof(digits) - 1;
  for (at = 0; at < sizeof(digits); ++at) digits[at] = '0';
  for (bit = 0; bit < 64; ++bit, number <<= 1) {
    uint32_t carry = (uint32_t)(number >> 63);
    for (at = sizeof(digits); at-- > 0;) {
      const uint32_t doubled = 2 * (uint32_t)(digits[at] - '0') + carry;
      carry = doubled > 9;
      digits[at] = (char)('0' + (carry ? doubled - 10 : doubled));
      if (doubled != 0 && at < first) first = at;
    }
  }
  cortex_m_write(digits + first, (uint32_t)sizeof(digits) - first);
}

void cortex_m_exit(int code) {
  const uintptr_t reason[2] = {STOPPED_APPLICATION_EXIT, (uintptr_t)code};
  for (;;) call(SYS_EXIT_EXTENDED, reason);
}
