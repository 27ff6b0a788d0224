# For machines that the program `cllm` is not built for: what it answers, by the C API alone.
add_executable(machine_digest ${CMAKE_CURRENT_LIST_DIR}/digest_main.c ${CMAKE_CURRENT_LIST_DIR}/digest.c
               ${CMAKE_CURRENT_LIST_DIR}/sha256.c)
add_executable(machine_state ${CMAKE_CURRENT_LIST_DIR}/state_main.c ${CMAKE_CURRENT_LIST_DIR}/state.c)
foreach(program machine_digest machine_state)
  target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${program} PRIVATE cllm cllm_warnings)
  set_target_properties(${program} PROPERTIES LINKER_LANGUAGE CXX)
endforeach()
