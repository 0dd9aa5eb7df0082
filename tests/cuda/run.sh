#!/usr/bin/env bash
# Compiles the CUDA kernels, their tests and benches where there is nvcc, in build-cuda-kernels/, and runs the tests, which
# skip themselves where there is no GPU. Takes no libtorch. A machine without nvcc is told so and passes. Where there is no GPU
# the code is compiled for Hopper and for sm_86 alone, whose blocks have the least shared memory.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then
  echo "tests/cuda: no nvcc on this machine: the CUDA kernels are not compiled"
  exit 0
fi
architectures='86-real;90a-real'
[ ! -e /dev/nvidiactl ] || architectures=''
cmake -G Ninja -S cmake/cuda_kernels -B build-cuda-kernels -DPREFERD_WERROR=ON "-DPREFERD_GPU_ARCHITECTURES=$architectures" --log-level=WARNING
cmake --build build-cuda-kernels
ctest --test-dir build-cuda-kernels --output-on-failure
