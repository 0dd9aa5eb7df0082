# PREFERD_CUDA: nvcc as a language, and how its programs are built.
#
#   preferd_cuda_programs(DEPS ...)   one stand-alone executable of each *.cu of the folder, named as the file; no kernels there
#
# nvcc is found on PATH, in CUDA_ROOT or in /usr/local/cuda. PREFERD_GPU_ARCHITECTURES are the GPUs that the code is for, as
# CMAKE_CUDA_ARCHITECTURES takes them: without it all that docs/gpu.md names and this nvcc knows, and PTX of the lowest for
# later ones. Hopper's own kernels are in a build whose list has 90a: their instructions exist under that target only.

set(PREFERD_GPU_ARCHITECTURES "" CACHE STRING "GPUs to compile for, such as 86-real or 80-real;90a-real; empty: all")

if(NOT CMAKE_CUDA_COMPILER)
  find_program(PREFERD_NVCC nvcc HINTS ${CUDA_ROOT}/bin /usr/local/cuda/bin REQUIRED)
  set(CMAKE_CUDA_COMPILER ${PREFERD_NVCC})
endif()
set(CMAKE_CUDA_ARCHITECTURES 80-real)  # to try the compiler
if(NOT CMAKE_CUDA_HOST_COMPILER)
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
enable_language(CUDA)
find_package(CUDAToolkit 12.4 REQUIRED)
if(PREFERD_GPU_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${PREFERD_GPU_ARCHITECTURES})
else()
  set(CMAKE_CUDA_ARCHITECTURES 80-real 86-real 89-real 90a-real)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
    list(APPEND CMAKE_CUDA_ARCHITECTURES 100-real 120-real)
  endif()
  list(APPEND CMAKE_CUDA_ARCHITECTURES 80-virtual)
endif()
add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:--threads=4>)  # several architectures at a time
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.26 does not know that nvcc can
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
endif()
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()

# One executable of each *.cc of the folder, over the engine; nothing where the engine is not built.
function(preferd_engine_programs)
  if(NOT TARGET preferd_scorer)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE preferd_flags preferd_scorer)
  endforeach()
endfunction()

function(preferd_cuda_programs)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  list(GET CMAKE_CUDA_ARCHITECTURES 0 one)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cu)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE preferd_flags ${ARG_DEPS})
    set_target_properties(${name} PROPERTIES CUDA_ARCHITECTURES ${one})
  endforeach()
endfunction()
