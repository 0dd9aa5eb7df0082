# Programs that take libtorch need the C++ runtime that it brings along, the shared one; those that have one of their own crash.
# Some compilers put theirs into what they link, and some leave the shared one out, because a library beside it seems to have
# all that is needed; this shows only in a finished program. So the runtime is linked by its path, before a compiler comes to
# its own: the one that the system's loader finds, as it does for libtorch.

function(preferd_links_runtime result)
  try_compile(linked ${CMAKE_BINARY_DIR}/cpp_runtime ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/cpp_runtime.cc
    LINK_LIBRARIES ${ARGN} COPY_FILE ${CMAKE_BINARY_DIR}/cpp_runtime/program)
  set(needed "")
  if(linked)
    execute_process(COMMAND ${CMAKE_READELF} -d ${CMAKE_BINARY_DIR}/cpp_runtime/program OUTPUT_VARIABLE needed ERROR_QUIET)
  endif()
  string(REGEX MATCH "NEEDED[^\n]*libstdc\\+\\+" ${result} "${needed}")
  set(${result} "${${result}}" PARENT_SCOPE)
endfunction()

execute_process(COMMAND /sbin/ldconfig -p OUTPUT_VARIABLE known ERROR_QUIET)
string(REGEX MATCHALL "libstdc\\+\\+\\.so\\.6 [^\n]*x86-64[^\n]*=> [^\n]+" known "${known}")
list(TRANSFORM known REPLACE ".*=> " "")
execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=libstdc++.so.6 OUTPUT_VARIABLE own
                OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(links "")
foreach(candidate ${known} ${own})
  if(NOT links AND IS_ABSOLUTE ${candidate} AND EXISTS ${candidate})
    set(runtime "-Wl,--no-as-needed ${candidate} -Wl,--as-needed")
    preferd_links_runtime(links ${runtime})
  endif()
endforeach()
if(NOT links)
  message(FATAL_ERROR "found no libstdc++.so.6 that ${CMAKE_CXX_COMPILER} links, which libtorch needs programs to have; name "
                      "another compiler by CXX")
endif()
string(APPEND CMAKE_CXX_STANDARD_LIBRARIES " ${runtime}")
