# 64-bit ARM Linux. The emulator's default machine has SVE2; QEMU_CPU=cortex-a53 has NEON alone.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(triple aarch64-linux-gnu)
include(${CMAKE_CURRENT_LIST_DIR}/linux-gnu.cmake)
