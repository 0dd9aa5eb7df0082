#!/usr/bin/env bash
# Installs what a build of preferd needs and this machine lacks (Debian 12, best effort on Ubuntu 24.04).
#
#   deploy/install_dependencies.sh [--tests] [--cuda] [--dry-run]
#
# --tests adds what tests and benchmarks need; --cuda leaves out the libtorch of the CPU (docs/gpu.md); --dry-run only says
# what is missing.
# Does nothing when everything is there. Needs root or sudo, and a Debian mirror, only when something is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config ccache
  libcpp-httplib-dev prometheus-cpp-dev libspdlog-dev
  nlohmann-json3-dev libtomlplusplus-dev libcli11-dev
  libicu-dev libhwy-dev zlib1g-dev libzstd-dev libssl-dev
)
torch_packages=(libtorch-dev libgloo-dev libopenblas0-openmp)
test_packages=(libgtest-dev libgmock-dev libsentencepiece-dev libbenchmark-dev libopenblas-dev clang-format python3)
dry_run=
for flag in "$@"; do
  case $flag in
    --tests) packages+=("${test_packages[@]}") ;;
    --cuda) torch_packages=() ;;
    --dry-run) dry_run=yes ;;
    *) printf 'setup: error: unknown flag %s\n' "$flag" >&2; exit 2 ;;
  esac
done
packages+=("${torch_packages[@]}")

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

command -v dpkg-query >/dev/null || die "this script knows Debian and Ubuntu only; install these yourself: ${packages[*]}"

missing=()
for p in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
done

if [ ${#missing[@]} -gt 0 ]; then
  say "missing: ${missing[*]}"
  say "a bare machine fetches some 350 MB and needs 1.5 GB of disk for all of them"
  [ -n "$dry_run" ] && exit 0
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root and no sudo: run 'apt-get install ${missing[*]}' as root, then this again"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q || die "apt-get update failed: is there a network, and a Debian mirror in /etc/apt?"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" ||
    die "apt-get install failed: one of ${missing[*]} is not to be had here"
fi

version=$(g++ -dumpversion)
[ "${version%%.*}" -ge 12 ] || die "g++ is version $version, expected 12 or newer"
say "everything a build needs is here"
