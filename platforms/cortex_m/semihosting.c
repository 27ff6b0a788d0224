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

void cortex_m_print_number(uint64_t number) {
  char digits[20];
  uint32_t at = sizeof(digits);
  do {
    digits[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  cortex_m_write(digits + at, (uint32_t)sizeof(digits) - at);
}

void cortex_m_exit(int code) {
  const uintptr_t reason[2] = {STOPPED_APPLICATION_EXIT, (uintptr_t)code};
  for (;;) call(SYS_EXIT_EXTENDED, reason);
}
