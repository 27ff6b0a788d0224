# Finds what CLLM is built from. Each library is looked for in a directory that the caller names, in .deps
# (filled by toolchains/setup), among the installed packages, and at last downloaded at a pinned digest.
# A cross build never looks at the installed packages: their headers lie among the host's own. Small libraries
# that every system packages are not downloaded.
include(FetchContent)
set(deps ${PROJECT_SOURCE_DIR}/.deps)

# Highway 1.2.0. Its own CMake is not used: dynamic dispatch needs only two of its sources, which
# runtime/kernels/highway.cc compiles.
set(HIGHWAY_SOURCE_DIR "" CACHE PATH "Source directory of Highway 1.2.0")
if(HIGHWAY_SOURCE_DIR)
  set(highway ${HIGHWAY_SOURCE_DIR})
elseif(EXISTS ${deps}/highway-1.2.0/hwy/highway.h)
  set(highway ${deps}/highway-1.2.0)
else()
  FetchContent_Declare(highway
    URL https://github.com/google/highway/archive/refs/tags/1.2.0.tar.gz
    URL_HASH SHA256=7e0be78b8318e8bdbf6fa545d2ecb4c90f947df03f7aadc42c1967f019e63343
    SOURCE_SUBDIR none)
  FetchContent_MakeAvailable(highway)
  set(highway ${highway_SOURCE_DIR})
endif()
if(NOT EXISTS ${highway}/hwy/targets.cc)
  message(FATAL_ERROR "No Highway sources in '${highway}'. Run toolchains/setup, or set HIGHWAY_SOURCE_DIR.")
endif()
add_library(highway_headers INTERFACE)
target_include_directories(highway_headers SYSTEM INTERFACE ${highway})
# SCALAR is the baseline of x86 and of every machine without SIMD; every attainable target is compiled in.
# Targets that differ from a kept one only in instructions that CLLM does not use are left out.
set(CLLM_DISABLED_TARGETS "" CACHE STRING "More Highway targets to leave out, such as HWY_AVX3|HWY_SSE4")
set(disabled "HWY_SSE2|HWY_SSSE3|HWY_NEON|HWY_NEON_BF16|HWY_SVE_256|HWY_SVE2_128")
if(CLLM_DISABLED_TARGETS)
  string(APPEND disabled "|${CLLM_DISABLED_TARGETS}")
endif()
# But for one file, which uses their bfloat16 dot product.
set(mixed_disabled "(${disabled})")
set(disabled "(${disabled}|HWY_AVX3_ZEN4|HWY_AVX3_SPR)")
if(CMAKE_SYSTEM_NAME STREQUAL "Generic")
  # A microcontroller's core is known when its firmware is built: no dispatch, and no tables for it.
  set(dispatch HWY_COMPILE_ONLY_STATIC)
else()
  set(dispatch HWY_COMPILE_ALL_ATTAINABLE)
endif()
target_compile_definitions(highway_headers INTERFACE
  HWY_STATIC_DEFINE ${dispatch} HWY_WANT_AVX3_DL HWY_BROKEN_EMU128=1 "HWY_DISABLED_TARGETS=${disabled}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^riscv")
  # gcc 12 has no vector intrinsics for RISC-V, and Highway 1.2.0 does not compile with its dispatch there.
  target_compile_definitions(highway_headers INTERFACE HWY_HAVE_RUNTIME_DISPATCH=0)
endif()

# Header-only libraries: ${header} under .deps/include or installed.
function(cllm_header_library target header)
  add_library(${target} INTERFACE)
  find_path(${target}_include ${header} HINTS ${deps}/include NO_CMAKE_FIND_ROOT_PATH)
  if(NOT ${target}_include)
    message(FATAL_ERROR "${header} not found. Run toolchains/setup, or install it and set ${target}_include.")
  endif()
  if(CMAKE_CROSSCOMPILING AND NOT ${target}_include STREQUAL ${deps}/include)
    message(FATAL_ERROR "${header} is only installed on the host. Run toolchains/setup.")
  endif()
  target_include_directories(${target} SYSTEM INTERFACE ${${target}_include})
endfunction()
cllm_header_library(flatbuffers_headers flatbuffers/flatbuffers.h)
find_program(FLATC flatc)
if(NOT FLATC)
  message(FATAL_ERROR "flatc not found. Run toolchains/setup, or set FLATC.")
endif()
if(CLLM_BUILD_TESTS)
  cllm_header_library(doctest_headers doctest/doctest.h)
  # Checks that do not catch what their expressions throw: the case fails all the same, and compiles faster.
  target_compile_definitions(doctest_headers INTERFACE DOCTEST_CONFIG_SUPER_FAST_ASSERTS)
endif()

# Only the parts of Abseil that are linked get built, its own warnings are not ours, and no time is spent in
# it: built as a few large files without the slow optimisations it costs a cross build a third. A function, so
# that the flags end with it.
function(cllm_build_abseil source)
  if(NOT EXISTS ${source}/CMakeLists.txt)
    message(FATAL_ERROR "No Abseil sources in '${source}'. Run toolchains/setup --cross.")
  endif()
  set(ABSL_PROPAGATE_CXX_STD ON)
  set(BUILD_TESTING OFF)
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -w")
  set(CMAKE_CXX_FLAGS_RELEASE "-O1 -DNDEBUG")
  set(CMAKE_UNITY_BUILD ON)
  if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.25)
    set(system SYSTEM)
  endif()
  add_subdirectory(${source} ${CMAKE_BINARY_DIR}/abseil EXCLUDE_FROM_ALL ${system})
  # Their files name different things alike.
  set_target_properties(absl_strings absl_time absl_time_zone PROPERTIES UNITY_BUILD OFF)
endfunction()

# Links the archives of an installed package where there are any: to load thirty small shared libraries takes
# a program longer than its first token.
function(cllm_prefer_archives package)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  list(FILTER targets INCLUDE REGEX "^${package}::")
  foreach(target ${targets})
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    foreach(configuration ${configurations})
      get_target_property(library ${target} IMPORTED_LOCATION_${configuration})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${library}")
      if(EXISTS "${archive}")
        set_target_properties(${target} PROPERTIES IMPORTED_LOCATION_${configuration} ${archive})
      endif()
    endforeach()
  endforeach()
endfunction()

if(CLLM_BUILD_CONVERTER)
  cllm_header_library(cli11_headers CLI/CLI.hpp)
  cllm_header_library(nlohmann_headers nlohmann/json.hpp)
  find_package(Threads REQUIRED)

  # Abseil 20220623 or later.
  set(ABSEIL_SOURCE_DIR "" CACHE PATH "Source directory of Abseil")
  set(abseil ${ABSEIL_SOURCE_DIR})
  if(NOT abseil AND CMAKE_CROSSCOMPILING)
    set(abseil ${deps}/abseil-20220623.1)
  elseif(NOT abseil)
    find_package(absl CONFIG QUIET)
    if(absl_FOUND)
      cllm_prefer_archives(absl)
    else()
      FetchContent_Declare(abseil
        URL https://github.com/abseil/abseil-cpp/archive/refs/tags/20220623.1.tar.gz
        URL_HASH SHA256=91ac87d30cc6d79f9ab974c51874a704de9c2647c40f6932597329a282217ba8
        SOURCE_SUBDIR none)
      FetchContent_MakeAvailable(abseil)
      set(abseil ${abseil_SOURCE_DIR})
    endif()
  endif()
  if(abseil)
    cllm_build_abseil(${abseil})
  endif()

  include(${CMAKE_CURRENT_LIST_DIR}/optional.cmake)

  # MPI, for training by several machines: the program cllm-mpi.
  if(NOT CMAKE_CROSSCOMPILING)
    find_package(MPI QUIET COMPONENTS C)
    if(NOT MPI_C_FOUND)  # the target is there in any case
      message(STATUS "MPI not found: no cllm-mpi. Run toolchains/setup --mpi to have it.")
    endif()
  endif()

  # libmd, for SHA-256.
  if(CMAKE_CROSSCOMPILING)
    set(libmd ${deps}/libmd-1.0.4)
    if(NOT EXISTS ${libmd}/src/sha2.c)
      message(FATAL_ERROR "No libmd sources in '${libmd}'. Run toolchains/setup --cross.")
    endif()
    # What its configure script would write is only read on big-endian machines.
    file(WRITE ${CMAKE_BINARY_DIR}/libmd/config.h "")
    add_library(md STATIC EXCLUDE_FROM_ALL ${libmd}/src/sha2.c)
    target_include_directories(md SYSTEM PUBLIC ${libmd}/include PRIVATE ${CMAKE_BINARY_DIR}/libmd)
    target_compile_definitions(md PRIVATE _GNU_SOURCE)
    target_compile_options(md PRIVATE -w)
  else()
    find_library(LIBMD_LIBRARY NAMES libmd.a md REQUIRED)
    add_library(md INTERFACE)
    target_link_libraries(md INTERFACE ${LIBMD_LIBRARY})
  endif()
endif()
