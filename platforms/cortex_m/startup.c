/* Reset to main: the floating-point unit, initialised data, zeroed data, stack paint, main, exit. */
#include <stdint.h>

#include "cortex_m/cortex_m.h"

/* From the linker script. */
extern uint32_t cortex_m_stack_bottom[], cortex_m_stack_top[];
extern uint32_t cortex_m_data_source[], cortex_m_data_start[], cortex_m_data_end[];
extern uint32_t cortex_m_zero_start[], cortex_m_zero_end[];

int main(void);

void cortex_m_reset(void) __attribute__((noreturn));
void cortex_m_fault(void);
void cortex_m_systick(void);

#define STACK_PAINT 0xC011C011u
/* Coprocessor access control: 0xF at bit 20 opens the floating-point and vector unit. */
#define CPACR (*(volatile uint32_t*)0xE000ED88u)

typedef void (*handler)(void);

typedef struct vector_table {
  uint32_t* stack_top;
  handler reset, nmi, hard_fault, memory_fault, bus_fault, usage_fault, reserved[4], supervisor_call, debug,
      reserved_too, pend_supervisor, systick;
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    .stack_top = cortex_m_stack_top,
    .reset = cortex_m_reset,
    .nmi = cortex_m_fault,
    .hard_fault = cortex_m_fault,
    .memory_fault = cortex_m_fault,
    .bus_fault = cortex_m_fault,
    .usage_fault = cortex_m_fault,
    .supervisor_call = cortex_m_fault,
    .debug = cortex_m_fault,
    .pend_supervisor = cortex_m_fault,
    .systick = cortex_m_systick,
};

static void fill(volatile uint32_t* from, volatile uint32_t* to, uint32_t value) {
  while (from < to) *from++ = value;
}

void cortex_m_reset(void) {
#if defined(__ARM_FP)
  CPACR |= 0xFu << 20;
  __asm volatile("dsb\n isb" ::: "memory");
#endif
  const uint32_t* source = cortex_m_data_source;
  for (volatile uint32_t* to = cortex_m_data_start; to < cortex_m_data_end;) *to++ = *source++;
  fill(cortex_m_zero_start, cortex_m_zero_end, 0);
  uint32_t* here;
  __asm volatile("mov %0, sp" : "=r"(here));
  fill(cortex_m_stack_bottom, here, STACK_PAINT);
  cortex_m_exit(main());
}

void cortex_m_fault(void) {
  cortex_m_print("cortex_m: a fault; the address is on the stack of the fault handler\n");
  cortex_m_exit(127);
}

uint32_t cortex_m_stack_used(void) {
  const volatile uint32_t* p = cortex_m_stack_bottom;
  while (p < cortex_m_stack_top && *p == STACK_PAINT) ++p;
  return (uint32_t)(cortex_m_stack_top - p) * (uint32_t)sizeof(uint32_t);
}
