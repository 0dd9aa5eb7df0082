// The vector instructions that all kernels use: the best set of this machine, chosen when the first kernel
// runs (Highway), or a lower one if the environment variable PREFERD_INSTRUCTION_SET names it: sse4, avx2,
// avx512, avx512vnni, amx on x86. The variable is read once, before main.
//
// Any thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace preferd::kernels {

// "AVX2", "AVX-512", "AVX-512 VNNI", "AVX-512 VNNI AMX" ...
const char* instruction_set();

// Those that PREFERD_INSTRUCTION_SET may name: "avx2, avx512"; empty where there is no choice.
std::string instruction_set_names();

// The error of PREFERD_INSTRUCTION_SET: a name that is unknown on this architecture, or a set that this
// machine lacks. Programs check it before they compute.
Status instruction_set_as_asked();

bool has_vnni();  // vpdpwssd on 512-bit registers
bool has_amx();   // tiles of int8, if the system lets this process use them

// Columns of a panel, which are two vectors of 32-bit lanes: 8 (SSE4), 16 (AVX2), 32 (AVX-512). Constant
// while the process runs.
std::size_t panel_width();

}  // namespace preferd::kernels
