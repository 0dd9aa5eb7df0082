// Golden pairs: rows with the logits that the package gave when it was made, scored again before it serves.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

// Absolute, on logits.
inline constexpr double kFp32Tolerance = 2e-4, kInt16Tolerance = 1e-2, kCoarseTolerance = 5e-2;
double golden_tolerance(const ScorerInfo& info);  // of its compute type: coarse are int8, bf16 and fp8

inline constexpr std::size_t kFewestGolden = 16, kMostGolden = 64;

struct GoldenPair {
  std::string id;  // as JSON: "\"a1\"", "17"
  Ask ask;         // one order
  std::vector<double> logits;
};

struct GoldenReport {
  std::size_t pairs = 0;
  double worst = 0;  // largest absolute difference of a logit
};

// Appends a line of the file to `text`.
void append_golden(std::string& text, const GoldenPair& pair);

// The lines of `path`. Errors: a bad line, fewer than 16 or more than 64.
Result<std::vector<GoldenPair>> read_golden(const Files& package, const std::string& path);

// What the scorer says of each pair now, by its `ask`. Errors name the pair.
Result<std::vector<Verdict>> score_golden(std::span<const GoldenPair> pairs, Scorer& scorer);

// golden.jsonl of the pairs with the logits of their verdicts.
std::string golden_text(std::vector<GoldenPair> pairs, std::span<const Verdict> verdicts);

// Scores each line of `path` (16 to 64 of them) and compares. Errors: a bad line, or a logit that is off by
// more than `tolerance`, with the row's id and both values.
Result<GoldenReport> verify_golden(const Files& package, const std::string& path, Scorer& scorer,
                                   double tolerance);

}  // namespace preferd::scorer
