#!/usr/bin/env bash
# From a fresh machine to POST /predict: installs what is missing, builds build/preferd, serves the embedded default.
#
#   deploy/serve.sh [flags of `preferd serve`]     e.g. deploy/serve.sh --port 9000
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/install_dependencies.sh
cmake --preset release -DPREFERD_TESTS=OFF -DPREFERD_BENCH=OFF --log-level=WARNING
cmake --build --preset release
exec build/preferd serve "$@"
