#!/usr/bin/env bash
# Builds with the release preset, measures everything and prints the table that bench/README.md explains.
#
#   bench/run.sh [flags of Google Benchmark]     e.g. bench/run.sh --benchmark_filter='linear/nf4|ceiling'
#
# With flags the figures of HTTP, start and memory are left out.
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/install_dependencies.sh --tests
cmake --preset release -DPREFERD_BENCH=ON --log-level=WARNING
cmake --build --preset release --target preferd preferd_bench preferd_bare
build/preferd_bench --benchmark_counters_tabular=true "$@"
[ $# -gt 0 ] && exit
python3 bench/http_bench.py build/preferd serve --threads 1
python3 bench/startup.py build
python3 bench/memory.py build
