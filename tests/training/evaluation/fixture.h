// Reads tests/fixtures/evaluation.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "training/evaluation/prediction.h"

namespace preferd::training {

inline Json evaluation_fixture(const std::string& name) {
  std::ifstream file(std::string(PREFERD_FIXTURES) + "/evaluation/" + name);
  std::stringstream text;
  text << file.rdbuf();
  Result<Json> json = parse_json(text.str());
  PREFERD_CHECK(static_cast<bool>(json));
  return *std::move(json);
}

inline std::vector<Prediction> predictions_of(const Json& fixture) {
  std::vector<Prediction> out;
  for (const Json& row : fixture["rows"]) {
    Prediction p;
    p.classes = fixture["classes"].get<int>();
    p.target = row["target"].get<std::array<double, 3>>();
    p.probability = row["probability"].get<std::array<double, 3>>();
    p.id = "row " + std::to_string(out.size());
    out.push_back(p);
  }
  return out;
}

// A row of two classes that response b has won.
inline Prediction b_won(double probability_b) {
  Prediction p;
  p.target = {0, 1, 0};
  p.probability = {1 - probability_b, probability_b, 0};
  return p;
}

inline Prediction a_won(double probability_b) {
  Prediction p = b_won(probability_b);
  p.target = {1, 0, 0};
  return p;
}

}  // namespace preferd::training
