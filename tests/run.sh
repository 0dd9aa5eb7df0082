#!/usr/bin/env bash
# Installs what is missing, builds everything with warnings as errors, checks the style, runs all tests.
#
#   tests/run.sh [arguments of ctest]     e.g. tests/run.sh -R scorer
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/install_dependencies.sh
cmake --preset ci
cmake --build --preset ci
ctest --preset ci "$@"
