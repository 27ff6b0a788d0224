# Memory maps of the boards, as QEMU 7.2 has them. A real board is one more entry: PORTING.md.
#   board_NAME: CPU, flash and its bytes, model's flash and its bytes, RAM and its bytes, address at which a
#   debugger or boot loader may put a model, SysTick clock in Hz.
# mps2-an385 has a Cortex-M3; it also runs what is built for Cortex-M0+, a subset.
set(board_mps2-an385 cortex-m3 0x00000000 2M 0x00200000 2M 0x20000000 4M 0x21000000 25000000)
set(board_mps2-an386 cortex-m4 0x00000000 2M 0x00200000 2M 0x20000000 4M 0x21000000 25000000)
set(board_mps2-an500 cortex-m7 0x00000000 2M 0x00200000 2M 0x20000000 4M 0x60000000 25000000)
set(board_mps2-an505 cortex-m33 0x10000000 2M 0x10200000 2M 0x38000000 4M 0x80000000 20000000)
set(board_mps3-an547 cortex-m55 0x00000000 512K 0x28000000 8M 0x20000000 512K 0x60000000 32000000)

set(CLLM_BOARD "mps2-an386" CACHE STRING "Board whose memory map the firmware is linked for")
set(CLLM_STACK_BYTES 4096 CACHE STRING "Stack of the firmware")
if(NOT DEFINED board_${CLLM_BOARD})
  message(FATAL_ERROR "CLLM_BOARD is '${CLLM_BOARD}', which platforms/cortex_m/boards.cmake does not have.")
endif()
set(position 0)
foreach(part cpu flash flash_bytes model model_bytes ram ram_bytes load clock)
  list(GET board_${CLLM_BOARD} ${position} board_${part})
  math(EXPR position "${position} + 1")
endforeach()
