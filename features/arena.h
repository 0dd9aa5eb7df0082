// The engineered text features of the LMSYS arena solutions: 63 named columns of a prompt and two responses.
//
// For each of 20 measures (length, counts of kinds of characters, ratios, bracket balances, "json",
// sentiment) there are the prompt's, response_a's and response_b's value, then three TF-IDF cosine
// similarities. kArena63 is bit-compatible with the published Python (scikit-learn, TextBlob), including NaN
// for the ratios of an empty text; ties at the 200th place of the prompt's vocabulary are broken by code
// point. kArena63V2 has the same columns with 0 in place of NaN and of "nothing to compare", and logarithms
// of counts. Everything is float64 until the caller rounds once.
//
// Pure functions of valid UTF-8; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/words.h"

namespace preferd::features {

enum class FeatureSet { kNone, kArena63, kArena63V2 };
constexpr auto words(FeatureSet) {
  return word_list<FeatureSet>({{"none", FeatureSet::kNone},
                                {"arena63", FeatureSet::kArena63},
                                {"arena63_v2", FeatureSet::kArena63V2}});
}

inline constexpr std::size_t kPairColumns = 63;
inline constexpr std::size_t kResponseColumns = 41;

using FeatureColumns = std::array<double, kPairColumns>;

// "prompt_len", "response_a_len", ..., "cosine_similarity_diff".
const std::array<const char*, kPairColumns>& feature_names();

// Requires set != kNone.
FeatureColumns arena_features(FeatureSet set, std::string_view prompt, std::string_view response_a,
                              std::string_view response_b);

// The columns that the score of a single response may depend on: for each measure the prompt's and the
// response's column, then the response's similarity.
enum class Side { kA, kB };
const std::array<std::size_t, kResponseColumns>& response_columns(Side side);

// (x - mean) / std in float64 (a std of 0 counts as 1), rounded once; without statistics only the rounding.
struct Standardization {
  std::vector<double> mean, std;  // both empty, or as long as the columns
};
std::vector<float> standardized(std::span<const double> columns, const Standardization& statistics);

}  // namespace preferd::features
