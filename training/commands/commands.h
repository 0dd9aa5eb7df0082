// The trainer's commands. Exit codes: 0 done, 1 failed while running, 2 bad usage or
// configuration, 3 bad input data; 130 after Ctrl-C, with everything saved.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/commands.h"
#include "base/files.h"
#include "base/result.h"

namespace preferd::training {

inline constexpr int kDone = 0, kFailed = 1, kBadUsage = 2, kBadData = 3, kStopped = 130;

Command train_command();
Command evaluate_command();
Command label_command();
Command explore_command();

// The default where a command is not told.
int all_cores();

// "error: WHAT" on standard error; returns `code`, or kBadData where the data is at fault.
int report(const Error& error, int code);

// A package's folder, or a published model's, adopted in memory with a note for each trap on standard error;
// empty: the embedded package.
Result<std::shared_ptr<const Files>> open_judge(const std::string& path);

// Set by the first SIGINT or SIGTERM, which is answered at once with a line on standard error; a second one
// ends the process.
enum class Answer { kSaid, kSilent };
const std::atomic<bool>& watch_for_interrupts(Answer answer);

}  // namespace preferd::training
