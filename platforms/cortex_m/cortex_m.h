/* Room: platforms. What a bare Cortex-M program needs around the runtime: console, exit, an instruction
 * counter and the depth of the stack. The console is semihosting: a debugger or an emulator answers it. */
#ifndef CLLM_PLATFORMS_CORTEX_M_CORTEX_M_H_
#define CLLM_PLATFORMS_CORTEX_M_CORTEX_M_H_

#include <stdint.h>

/* Writes bytes to the console. On a real board: put them into a UART instead. */
void cortex_m_write(const char* text, uint32_t bytes);
/* The same for a string that ends with 0. */
void cortex_m_print(const char* text);
void cortex_m_print_number(uint64_t number);

/* Ends the program; an emulator exits with this code. main's return value comes here too. */
void cortex_m_exit(int code) __attribute__((noreturn));

/* Starts the SysTick timer, which counts clock cycles; its interrupt counts the wraps. */
void cortex_m_start_ticks(void);
/* Cycles since the start. */
uint64_t cortex_m_ticks(void);

/* Deepest use of the stack since reset in bytes, by the paint that the start-up code left. */
uint32_t cortex_m_stack_used(void);

#endif /* CLLM_PLATFORMS_CORTEX_M_CORTEX_M_H_ */
