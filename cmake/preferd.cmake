# The language and our warnings, and how a room of the house is built: every .cc of its folder, its dependencies by name.
#
#   preferd_library(NAME [SOURCES ...] DEPS ...)   static library of the folder's *.cc, or of some
#   preferd_test(NAME DEPS ...)                    one GoogleTest binary of the folder's *_test.cc, run by ctest
#   preferd_sources(NAME ROOM ...)                 adds the *.cc of these sub-folders

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

get_filename_component(root ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
add_library(preferd_flags INTERFACE)
target_include_directories(preferd_flags INTERFACE ${root})
# Contraction would change sums that are promised bit for bit; kernels ask for FMA by name. nvcc's own host code is not
# pedantic.
set(not_cuda $<NOT:$<COMPILE_LANGUAGE:CUDA>>)
target_compile_options(preferd_flags INTERFACE
  -ffp-contract=off -Wall -Wextra $<${not_cuda}:-Wpedantic> -Wshadow -Wconversion -Wno-sign-conversion
  $<$<AND:${not_cuda},$<CXX_COMPILER_ID:GNU>>:-Wno-restrict>)  # false alarms on std::string + (GCC bug 105651)
if(PREFERD_WERROR)
  target_compile_options(preferd_flags INTERFACE -Werror$<$<COMPILE_LANGUAGE:CUDA>:=all-warnings>)
endif()
if(PREFERD_SANITIZE)
  target_compile_options(preferd_flags INTERFACE -fsanitize=${PREFERD_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(preferd_flags INTERFACE -fsanitize=${PREFERD_SANITIZE})
endif()

function(preferd_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
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

function(preferd_sources name)
  foreach(room ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${room}/*.cc)
    target_sources(${name} PRIVATE ${sources})
  endforeach()
endfunction()
