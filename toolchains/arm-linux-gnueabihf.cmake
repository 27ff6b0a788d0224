# 32-bit ARM Linux with NEON and VFPv4 (Raspberry Pi 2 and later).
set(CMAKE_SYSTEM_PROCESSOR arm)
set(triple arm-linux-gnueabihf)
# Without -mfpu the compiler's default has no NEON, and Highway silently falls back to SCALAR.
set(CMAKE_C_FLAGS_INIT "-mcpu=cortex-a7 -mfpu=neon-vfpv4")
set(CMAKE_CXX_FLAGS_INIT "-mcpu=cortex-a7 -mfpu=neon-vfpv4 -Wno-psabi")
include(${CMAKE_CURRENT_LIST_DIR}/linux-gnu.cmake)
