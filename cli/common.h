// What the commands share: opening packages, compute settings, reporting errors.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "base/schema.h"
#include "cli/commands.h"
#include "model/scorer/load.h"

namespace preferd::cli {

inline constexpr int kDone = 0, kFailed = 1, kBadUsage = 2, kBadRows = 3;

// "error: WHAT" on standard error; returns `code`.
int report(const Error& error, int code);

// Which package, and how it is computed.
struct EngineOptions {
  std::string package;  // empty: the embedded default
  scorer::ComputeType compute = scorer::ComputeType::kAuto;
  std::string device = "cpu";
  scorer::Residency residency = scorer::Residency::kAuto;
  int threads = 0;  // 0: all cores
};
void describe(Schema& schema, EngineOptions& options);

// An exit code where the flags name no device; "error: WHAT" on standard error.
std::optional<int> check_device(const EngineOptions& options);

int thread_count(int wanted);
Result<std::shared_ptr<const Files>> open_package(const EngineOptions& options);
Result<scorer::LoadOptions> load_options(const EngineOptions& options, scorer::Golden golden);
Result<std::shared_ptr<scorer::Scorer>> open_scorer(const EngineOptions& options, scorer::Golden golden);

// "NAME REVISION", or the name alone.
std::string title(const scorer::ScorerInfo& info);

// "a,b" and repeated flags are the same.
std::vector<std::string> words_of(const std::vector<std::string>& given);

// The text itself, or with a leading @ the contents of a file (@- is standard input).
Result<std::string> text_of(const char* flag, const std::string& given);

}  // namespace preferd::cli
