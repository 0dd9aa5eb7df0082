// The trainer's commands. Each returns the exit code: 0 done, 1 failed while running, 2 bad usage or
// configuration, 3 bad input data; 130 after Ctrl-C, with everything saved.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "base/result.h"

namespace preferd::training {

using Arguments = std::vector<std::string>;

inline constexpr int kDone = 0, kFailed = 1, kBadUsage = 2, kBadData = 3, kStopped = 130;

int train_command(const Arguments& arguments);
int evaluate_command(const Arguments& arguments);
int label_command(const Arguments& arguments);
int explore_command(const Arguments& arguments);

// "error: WHAT" on standard error; returns `code`, or kBadData where the data is at fault.
int report(const Error& error, int code);

// Set by the first SIGINT or SIGTERM, which is answered at once with a line on standard error; a second one
// ends the process.
enum class Answer { kSaid, kSilent };
const std::atomic<bool>& watch_for_interrupts(Answer answer);

}  // namespace preferd::training
