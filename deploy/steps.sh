# How deploy/serve.sh and tests/run.sh configure and build: the same preset, the same folder, the same flags, so that each finds
# what the other made. To be sourced, in the root of the checkout.

# Configures build/ with these flags of cmake if nothing has; what it was told before stays.
configure_once() {
  [ -e build/build.ninja ] || cmake --preset release --log-level=WARNING "$@"
}

# Builds these targets; without any, everything.
build() {
  [ -e build/.ninja_log ] ||
    echo 'build: preferd takes 7 to 10 minutes of one core to compile, trainer, tests and benchmarks as long again' >&2
  NINJA_STATUS='[%f/%t, %es] ' ninja -C build "$@"
}
