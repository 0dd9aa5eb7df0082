// For builds of llama.cpp with AMX by GCC 12 and 13, whose _tile_loadconfig tells the compiler only about the
// first 8 bytes of the configuration: the rest is never stored, and the first tile that is loaded ends the
// process with SIGILL. Include it before everything else (-include).
#pragma once

#ifdef __AMX_TILE__
#include <immintrin.h>

static inline void whole_tile_loadconfig(const void* config) {
  __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])config));
}
#define _tile_loadconfig whole_tile_loadconfig
#endif
