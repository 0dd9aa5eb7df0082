#include "features/arena.h"

#include <cmath>
#include <limits>
#include <string>

#include "base/check.h"
#include "features/counts.h"
#include "features/sentiment.h"
#include "features/similarity.h"

namespace preferd::features {
namespace {

enum class Kind { kCount, kRatio, kBalance, kSentiment };

struct Measure {
  const char* suffix;
  Kind kind;
};

constexpr std::size_t kMeasures = 20;

constexpr Measure kMeasure[kMeasures] = {{"_len", Kind::kCount},
                                         {"_spaces", Kind::kCount},
                                         {"_punct", Kind::kCount},
                                         {"_question_mark", Kind::kCount},
                                         {"_quot", Kind::kCount},
                                         {"_formatting_chars", Kind::kCount},
                                         {"_math_chars", Kind::kCount},
                                         {"_curly_open", Kind::kCount},
                                         {"_curly_close", Kind::kCount},
                                         {"_round_open", Kind::kCount},
                                         {"_round_close", Kind::kCount},
                                         {"_special_chars", Kind::kCount},
                                         {"_digits", Kind::kCount},
                                         {"_lower", Kind::kRatio},
                                         {"_upper", Kind::kRatio},
                                         {"_chinese", Kind::kRatio},
                                         {"_round_balance", Kind::kBalance},
                                         {"_curly_balance", Kind::kBalance},
                                         {"_json", Kind::kCount},
                                         {"_sentiment", Kind::kSentiment}};

// The original counts in int64, rounds the numerator to float32 and divides in float64.
double ratio(std::size_t count, std::size_t length) {
  if (length == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(static_cast<float>(count)) / static_cast<double>(length);
}

std::array<double, kMeasures> measure(std::string_view text) {
  const features::CharacterCounts c = features::count_characters(text);
  const auto number = [](std::size_t count) { return static_cast<double>(count); };
  return {number(c.length),
          number(c.spaces),
          number(c.punctuation),
          number(c.question_marks),
          number(c.quotes),
          number(c.formatting),
          number(c.math),
          number(c.curly_open),
          number(c.curly_close),
          number(c.round_open),
          number(c.round_close),
          number(c.special),
          number(c.digits),
          ratio(c.lower, c.length),
          ratio(c.upper, c.length),
          ratio(c.chinese_runs, c.length),
          number(c.round_open) - number(c.round_close),
          number(c.curly_open) - number(c.curly_close),
          number(c.json),
          features::polarity(text)};
}

double second_version(Kind kind, double x) {
  switch (kind) {
    case Kind::kCount: return std::log1p(x);
    case Kind::kRatio: return std::isnan(x) ? 0.0 : x;
    case Kind::kBalance: return x == 0 ? 0.0 : std::copysign(std::log1p(std::abs(x)), x);
    case Kind::kSentiment: return x;
  }
  PREFERD_CHECK(false);
}

}  // namespace

const std::array<const char*, kPairColumns>& feature_names() {
  static const std::array<std::string, kPairColumns> kNames = [] {
    std::array<std::string, kPairColumns> names;
    std::size_t at = 0;
    for (const Measure& m : kMeasure)
      for (const char* field : {"prompt", "response_a", "response_b"})
        names[at++] = std::string(field) + m.suffix;
    for (const char* end : {"a", "b", "diff"}) names[at++] = std::string("cosine_similarity_") + end;
    return names;
  }();
  static const std::array<const char*, kPairColumns> kViews = [] {
    std::array<const char*, kPairColumns> views;
    for (std::size_t i = 0; i < views.size(); ++i) views[i] = kNames[i].c_str();
    return views;
  }();
  return kViews;
}

FeatureColumns arena_features(FeatureSet set, std::string_view prompt, std::string_view response_a,
                              std::string_view response_b) {
  PREFERD_CHECK(set != FeatureSet::kNone);
  FeatureColumns columns;
  const std::string_view texts[] = {prompt, response_a, response_b};
  for (std::size_t t = 0; t < 3; ++t) {
    const std::array<double, kMeasures> values = measure(texts[t]);
    for (std::size_t m = 0; m < kMeasures; ++m)
      columns[3 * m + t] =
          set == FeatureSet::kArena63V2 ? second_version(kMeasure[m].kind, values[m]) : values[m];
  }
  features::Similarities cosine = features::similarities(prompt, response_a, response_b);
  if (!cosine.comparable && set == FeatureSet::kArena63) cosine.a = cosine.b = -1;
  columns[60] = cosine.a;
  columns[61] = cosine.b;
  columns[62] = cosine.a - cosine.b;
  return columns;
}

}  // namespace preferd::features
