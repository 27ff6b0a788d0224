# cmake --install: the headers, the library, a CMake package and a pkg-config file that may be moved together,
# and the program. The package files are written here, not exported, since the library's own flags are nobody
# else's business and a C program must not be told to link as C++.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
install(TARGETS cllm ARCHIVE)
install(FILES runtime/include/cllm/cllm.h runtime/include/cllm/store.h runtime/include/cllm/update.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cllm)
if(TARGET cllm_program)
  install(TARGETS cllm_program RUNTIME)
  if(TARGET cllm_mpi_program)
    install(TARGETS cllm_mpi_program RUNTIME)
  endif()
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cllm)
file(RELATIVE_PATH package_to_prefix /${package_dir} /)
configure_file(toolchains/cllmConfig.cmake.in ${CMAKE_BINARY_DIR}/package/cllmConfig.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/cllmConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/package/cllmConfig.cmake ${CMAKE_BINARY_DIR}/package/cllmConfigVersion.cmake
        DESTINATION ${package_dir})

file(RELATIVE_PATH pkgconfig_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pkgconfig_to_prefix ${pkgconfig_to_prefix})
configure_file(toolchains/cllm.pc.in ${CMAKE_BINARY_DIR}/package/cllm.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/package/cllm.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
