#!/bin/sh
# Runs a command where there is an NVIDIA GPU; exits with 77 (skipped) where there is none.
[ -e /dev/nvidiactl ] || { echo "no NVIDIA GPU on this machine: skipped"; exit 77; }
exec "$@"
