# How a room of the house is built: every .cc of its folder, our warnings, its dependencies by name.
#
#   preferd_library(NAME DEPS ...)   static library of the folder's *.cc
#   preferd_test(NAME DEPS ...)      one GoogleTest binary of the folder's *_test.cc, run by ctest

add_library(preferd_flags INTERFACE)
target_include_directories(preferd_flags INTERFACE ${PROJECT_SOURCE_DIR})
# Contraction would change sums that are promised bit for bit; kernels ask for FMA by name.
target_compile_options(preferd_flags INTERFACE
  -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)  # false alarms on std::string + (GCC bug 105651)
if(PREFERD_WERROR)
  target_compile_options(preferd_flags INTERFACE -Werror)
endif()
if(PREFERD_SANITIZE)
  target_compile_options(preferd_flags INTERFACE -fsanitize=${PREFERD_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(preferd_flags INTERFACE -fsanitize=${PREFERD_SANITIZE})
endif()

function(preferd_library name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC preferd_flags ${ARG_DEPS})
endfunction()

function(preferd_test name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE preferd_flags ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE
    PREFERD_FIXTURES="${PROJECT_SOURCE_DIR}/tests/fixtures" PREFERD_BUILD="${PROJECT_BINARY_DIR}")
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h>)
  add_test(NAME ${name} COMMAND ${name})
endfunction()
