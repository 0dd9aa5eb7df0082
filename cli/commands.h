// The commands of preferd, each in its own file. Exit codes: 0 done, 1 failed while running, 2 bad usage,
// 3 bad input rows.
#pragma once

#include "base/commands.h"

namespace preferd::cli {

Command serve_command();
Command health_command();
Command score_command();
Command compare_command();
Command inspect_command();
Command adopt_command();
Command pack_command();
Command merge_command();
Command quantize_command();

}  // namespace preferd::cli
