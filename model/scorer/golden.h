// Golden pairs: rows with the logits that the package gave when it was made. They are scored again before the
// package serves.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// Absolute differences of logits.
inline constexpr double kFp32Tolerance = 2e-4, kInt16Tolerance = 1e-2, kCoarseTolerance = 5e-2;
double golden_tolerance(const ScorerInfo& info);  // for its compute type; int8, bf16 and fp8 are coarse

inline constexpr std::size_t kFewestGolden = 16, kMostGolden = 64;

struct GoldenPair {
  std::string id;  // as JSON text: "\"a1\"", "17"
  Ask ask;         // one order
  std::vector<double> logits;
};

struct GoldenReport {
  std::size_t pairs = 0;
  double worst = 0;  // largest absolute difference of a logit
};

// Appends one line of golden.jsonl to `text`.
void append_golden(std::string& text, const GoldenPair& pair);

// Reads the lines of `path`. Errors: a bad line, fewer than 16 lines or more than 64.
Result<std::vector<GoldenPair>> read_golden(const Files& package, const std::string& path);

// What the scorer says now about each pair, asked as `ask`. Errors name the pair.
Result<std::vector<Verdict>> score_golden(std::span<const GoldenPair> pairs, Scorer& scorer);

// The text of golden.jsonl: the pairs with the logits of their verdicts.
std::string golden_text(std::vector<GoldenPair> pairs, std::span<const Verdict> verdicts);

// Scores each line of `path` (16 to 64 of them) and compares. Errors: a bad line, or a logit that is off by
// more than `tolerance`, with the row's id and both values.
Result<GoldenReport> verify_golden(const Files& package, const std::string& path, Scorer& scorer,
                                   double tolerance);

}  // namespace preferd::scorer
