// What there is to know about preference data before training on it, in one pass over the files.
//
// Memory: about 100 bytes per row (its key and its prompt's hash), and names up to a limit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "training/data/corpus.h"
#include "training/data/lengths.h"

namespace preferd::training {

// By the most likely outcome of each row's target; the first of equal ones.
struct Outcomes {
  std::uint64_t model_a = 0, model_b = 0, tie = 0;
  std::uint64_t unlabelled = 0;  // rows of Labels::kTeacher
  std::uint64_t decided() const { return model_a + model_b; }
  std::uint64_t total() const { return decided() + tie + unlabelled; }
};

struct ModelRecord {
  std::string name;
  std::uint64_t wins = 0, losses = 0, ties = 0;
  std::uint64_t games() const { return wins + losses + ties; }
};

struct SplitFacts {
  std::uint64_t rows = 0, bad = 0;
  Outcomes outcomes;  // for position bias: model_a of decided()
  // By name; beyond kMaxNames the rest counts as kOtherNames.
  std::map<std::string, Outcomes> by_source, by_language;
  std::uint64_t prompts = 0;                      // distinct, after normalisation
  std::uint64_t repeated = 0, contradictory = 0;  // rows whose pair occurred before, by label (select.h)
  // Among decided rows with responses of different lengths: how many there are, and in how many the longer
  // one won.
  std::uint64_t different_length = 0, longer_won = 0;
  Lengths prompt_chars, response_chars;                 // code points; both responses
  Lengths prompt_tokens, response_tokens, pair_tokens;  // empty without a tokenizer; pair: all three texts
  std::vector<ModelRecord> models;  // in order of decreasing number of games, then by name; without rows that
                                    // have no name
  std::uint64_t unranked_games = 0;  // sides of rows whose model came after kMaxModels others
};

inline constexpr std::size_t kMaxNames = 1000, kMaxModels = 10000;
inline constexpr const char* kOtherNames = "(others)";

struct DataFacts {
  SplitFacts train, valid;
  std::uint64_t shared_prompts = 0, shared_pairs = 0;  // distinct, on both sides
  std::vector<std::string> bad_rows;                   // the first kListedRows
};

struct ExploreOptions {
  std::vector<std::string> train, valid;  // files; either may be empty
  LabelRule rule;
  std::function<std::size_t(std::string_view)> count_tokens;  // empty: tokens are not counted
};

// Errors: a file that cannot be opened or is damaged. Bad rows are counted and skipped.
Result<DataFacts> explore(const ExploreOptions& options, const DataEvents& events);

// The facts as one object: "train", "valid", "shared_prompts", "shared_pairs", "bad_rows". Lengths have mean,
// quantiles and maximum, and are absent if there are none.
std::string facts_json(const DataFacts& facts);

}  // namespace preferd::training
