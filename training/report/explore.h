// explore.html: what is in a set of labelled pairs, before anything is trained on it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "training/report/html.h"

namespace preferd::training {

// Rows by their likeliest outcome.
struct Outcomes {
  std::int64_t model_a = 0, model_b = 0, tie = 0;  // tie: no single winner
  std::int64_t rows() const { return model_a + model_b + tie; }
  std::int64_t decided() const { return model_a + model_b; }
};

struct GroupOutcomes {
  std::string name;
  Outcomes outcomes;
};

// Rows that a response has won, by the winner's length.
struct LengthOutcomes {
  std::int64_t longer_won = 0, shorter_won = 0, equal = 0;
};

// Lengths of one part over all rows; a unit for people: "characters", "tokens".
struct LengthSample {
  std::string name, unit;
  std::vector<std::int64_t> values;
};

struct ModelRecord {
  std::string name;
  std::int64_t wins = 0, losses = 0, ties = 0;
};

struct ExploreReport {
  std::string name, subtitle;
  Facts facts;  // files ...
  std::int64_t bad_rows = 0;
  std::vector<std::string> bad_samples;          // "FILE:LINE: ..."
  std::int64_t repeated = 0, contradictory = 0;  // duplicates with the same and with another label
  std::int64_t prompts = 0;                      // distinct
  Outcomes outcomes;
  LengthOutcomes lengths_won;
  std::vector<GroupOutcomes> sources, languages;
  std::vector<LengthSample> lengths;
  std::vector<ModelRecord> models;  // empty where rows do not name them
};

// A share and its 95 % Wilson interval (Wilson, JASA 22, 1927); undefined for n = 0.
Estimate wilson(std::int64_t successes, std::int64_t n);

std::string explore_html(const ExploreReport& report);

}  // namespace preferd::training
