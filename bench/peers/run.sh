#!/usr/bin/env bash
# Builds preferd, sets the other engines up on the first run, compares and prints the tables that bench/README.md explains.
#
#   bench/peers/run.sh [flags of compare.py]     PREFERD_PEERS: where all of it is kept, ~/.cache/preferd-peers
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${PREFERD_PEERS:-$HOME/.cache/preferd-peers}

cmake --preset release -DPREFERD_BENCH=ON --log-level=WARNING
cmake --build --preset release --target preferd preferd_pooled
python3 bench/peers/setup.py "$home"
"$home/venv/bin/python" bench/peers/compare.py --home "$home" "$@"
