/* What the test firmwares have to say: how they fail, and "name value" lines. */
#ifndef CLLM_TESTS_FIRMWARE_REPORT_H_
#define CLLM_TESTS_FIRMWARE_REPORT_H_

#include "cllm/cllm.h"
#include "cortex_m/cortex_m.h"

static inline void check(cllm_status status) {
  if (status == CLLM_OK) return;
  cortex_m_print(cllm_status_name(status));
  cortex_m_print("\n");
  cortex_m_exit((int)status);
}

static inline void report_text(const char* name, const char* text) {
  cortex_m_print(name);
  cortex_m_print(" ");
  cortex_m_print(text);
  cortex_m_print("\n");
}

static inline void report(const char* name, uint64_t value) {
  cortex_m_print(name);
  cortex_m_print(" ");
  cortex_m_print_number(value);
  cortex_m_print("\n");
}

#endif /* CLLM_TESTS_FIRMWARE_REPORT_H_ */
