/* SysTick as a cycle counter. Every Cortex-M but some M0 has it; it is 24 bits wide and counts down. */
#include "cortex_m/cortex_m.h"

#define CONTROL (*(volatile uint32_t*)0xE000E010u)
#define RELOAD (*(volatile uint32_t*)0xE000E014u)
#define CURRENT (*(volatile uint32_t*)0xE000E018u)

enum { ENABLE = 1, INTERRUPT = 2, PROCESSOR_CLOCK = 4 };
#define PERIOD 0x1000000u

static volatile uint32_t wraps;

void cortex_m_systick(void);
void cortex_m_systick(void) { ++wraps; }

void cortex_m_start_ticks(void) {
  RELOAD = PERIOD - 1;
  CURRENT = 0;
  wraps = 0;
  CONTROL = ENABLE | INTERRUPT | PROCESSOR_CLOCK;
}

uint64_t cortex_m_ticks(void) {
  uint32_t before, down;
  do {
    before = wraps;
    down = CURRENT;
  } while (before != wraps);
  return (uint64_t)before * PERIOD + (PERIOD - 1 - down);
}
