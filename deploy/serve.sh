#!/usr/bin/env bash
# From a fresh machine to POST /predict: installs what is missing, builds build/preferd, serves the embedded default, and says
# where, with a curl to try.
#
#   deploy/serve.sh [flags of `preferd serve`]     e.g. deploy/serve.sh --port 9000
set -euo pipefail
cd "$(dirname "$0")/.."
. deploy/steps.sh

deploy/install_dependencies.sh
configure_once -DPREFERD_TESTS=OFF -DPREFERD_BENCH=OFF
build preferd

# What the flags, the environment and a configuration file come to together.
settings=$(build/preferd serve "$@" --print-config)
setting() { sed -n "s/^$1 = \"\{0,1\}\([^\" ]*\).*/\1/p" <<<"$settings"; }
host=$(setting host) port=$(setting port) key=$(setting api_key)
if [ -n "$port" ] && [ "$port" != 0 ]; then
  case $host in
    0.0.0.0 | ::) host=localhost ;;
    *:*) host="[$host]" ;;
  esac
  cat >&2 <<TRY
serve: http://$host:$port in a few seconds; Ctrl-C stops. In another terminal try:

    curl -s http://$host:$port/predict -H 'content-type: application/json' ${key:+-H 'authorization: Bearer YOUR-KEY' }-d '{
        "prompt": "How do I boil an egg?",
        "response_a": "Put the egg in boiling water for 7 to 10 minutes, then cool it in cold water and peel it.",
        "response_b": "Eggs are laid by hens."}'

TRY
fi
exec build/preferd serve "$@"
