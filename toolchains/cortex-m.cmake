# Microcontrollers with an ARM Cortex-M core and no operating system; gcc-arm-none-eabi with newlib.
#   -DCLLM_CPU=cortex-m0plus|cortex-m3|cortex-m4|cortex-m7|cortex-m33|cortex-m55
# Cores without a floating-point unit compute in software: the same bits, slowly.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
# There is no start-up code yet when CMake tries the compiler.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CLLM_CPU)

set(CLLM_CPU cortex-m4 CACHE STRING "Cortex-M core")
set(fpu_cortex-m0plus "-mfloat-abi=soft")
set(fpu_cortex-m3 "-mfloat-abi=soft")
set(fpu_cortex-m4 "-mfloat-abi=hard -mfpu=fpv4-sp-d16")
set(fpu_cortex-m7 "-mfloat-abi=hard -mfpu=fpv5-d16")
set(fpu_cortex-m33 "-mfloat-abi=hard -mfpu=fpv5-sp-d16")
set(fpu_cortex-m55 "-mfloat-abi=hard")
if(NOT DEFINED fpu_${CLLM_CPU})
  message(FATAL_ERROR "CLLM_CPU is '${CLLM_CPU}'; it must be one of cortex-m0plus, cortex-m3, cortex-m4, "
                      "cortex-m7, cortex-m33, cortex-m55.")
endif()
set(flags "-mthumb -mcpu=${CLLM_CPU} ${fpu_${CLLM_CPU}}")
set(CMAKE_C_FLAGS_INIT "${flags}")
set(CMAKE_CXX_FLAGS_INIT "${flags} -fno-exceptions -fno-rtti -fno-use-cxa-atexit")
set(CMAKE_ASM_FLAGS_INIT "${flags}")
# Optimising the whole program at once takes a seventh off its code. Functions that are called once stay
# functions: inlined, they would hold their stack for longer.
set(CMAKE_C_FLAGS_MINSIZEREL_INIT "-flto -fno-inline-functions-called-once")
set(CMAKE_CXX_FLAGS_MINSIZEREL_INIT "-flto -fno-inline-functions-called-once")
set(CMAKE_AR arm-none-eabi-gcc-ar)
set(CMAKE_RANLIB arm-none-eabi-gcc-ranlib)
set(CMAKE_EXE_LINKER_FLAGS_INIT "--specs=nano.specs")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
