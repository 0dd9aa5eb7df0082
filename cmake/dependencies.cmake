# Libraries that the machine provides, under one name each.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(ICU 70 REQUIRED COMPONENTS uc i18n)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)
if(PREFERD_TESTS)
  find_package(GTest REQUIRED)
  pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)  # the oracle of our reader
endif()
if(PREFERD_BENCH)
  find_package(benchmark REQUIRED)
  pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
endif()

# libtorch, without its CMake package: that one asks for compilers and libraries which a CPU build never uses.
find_path(TORCH_INCLUDE ATen/core/Tensor.h HINTS ${TORCH_ROOT}/include REQUIRED)
find_library(TORCH_CPU torch_cpu HINTS ${TORCH_ROOT}/lib REQUIRED)
find_library(TORCH_C10 c10 HINTS ${TORCH_ROOT}/lib REQUIRED)
add_library(torch INTERFACE)
target_include_directories(torch SYSTEM INTERFACE ${TORCH_INCLUDE} ${TORCH_INCLUDE}/torch/csrc/api/include)
target_compile_definitions(torch INTERFACE AT_PER_OPERATOR_HEADERS)  # ATen's headers include what they use
target_link_libraries(torch INTERFACE ${TORCH_CPU} ${TORCH_C10})

# A libtorch with CUDA registers its kernels when it is loaded; nothing here names them.
find_library(TORCH_CUDA torch_cuda HINTS ${TORCH_ROOT}/lib)
if(PREFERD_CUDA AND NOT TORCH_CUDA)
  message(FATAL_ERROR "PREFERD_CUDA: ${TORCH_CPU} is a libtorch without CUDA; name one with CUDA by -DTORCH_ROOT=")
endif()
if(TORCH_CUDA)
  find_library(TORCH_C10_CUDA c10_cuda HINTS ${TORCH_ROOT}/lib REQUIRED)
  find_path(CUDA_INCLUDE cuda_runtime_api.h HINTS ${CUDA_ROOT}/include REQUIRED)
  target_include_directories(torch SYSTEM INTERFACE ${CUDA_INCLUDE})
  target_link_libraries(torch INTERFACE -Wl,--no-as-needed ${TORCH_CUDA} ${TORCH_C10_CUDA} -Wl,--as-needed)
  target_link_options(torch INTERFACE -Wl,--allow-shlib-undefined)
endif()
