#!/usr/bin/env bash
# Installs what is missing, builds everything, checks the style, runs all tests. Where there is nvcc it compiles the CUDA kernels
# too, and where there is a GPU it runs their tests.
#
#   tests/run.sh [arguments of ctest]     e.g. tests/run.sh -R scorer
#
# With CI=true in the environment warnings of the compiler are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

deploy/install_dependencies.sh --tests
find base bench cli features model rows server tests training \( -name '*.cc' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) \
  -print0 | xargs -0 clang-format --dry-run --Werror
tests/cuda/run.sh
cmake --preset release --log-level=WARNING -DPREFERD_TESTS=ON -DPREFERD_BENCH=ON
build
ctest --preset release "$@"
