// The packages of tests/fixtures/packages, loaded once a process, and the rows that they are asked.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/files.h"
#include "model/scorer/load.h"
#include "rows/rows.h"
#include "tests/support/package_copy.h"

namespace preferd::testing_scorer {

using testing_support::kPackages;

inline std::vector<std::string> package_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kPackages))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Parameter: a package's name.
class EachPackage : public testing::TestWithParam<std::string> {};
inline auto by_name = [](const auto& c) { return c.param; };

inline std::string name_of(scorer::ComputeType compute) {
  constexpr const char* kNames[] = {"auto", "fp32", "int16", "int8"};
  return kNames[static_cast<std::size_t>(compute)];
}

inline std::shared_ptr<scorer::Scorer> scorer_of(const std::string& package, int threads = 1,
                                                 scorer::ComputeType compute = scorer::ComputeType::kFp32) {
  static std::map<std::tuple<std::string, int, scorer::ComputeType>, std::shared_ptr<scorer::Scorer>> loaded;
  auto& slot = loaded[{package, threads, compute}];
  if (slot != nullptr) return slot;
  const bool verify = threads == 1 && compute == scorer::ComputeType::kFp32;
  auto scorer =
      scorer::load_scorer(*open_directory(kPackages + package),
                          {threads, compute, verify ? scorer::Golden::kVerify : scorer::Golden::kSkip});
  EXPECT_TRUE(scorer) << scorer.error().what;
  if (scorer) slot = std::move(*scorer);
  return slot;
}

// The common rows as asks; where a package has several adapters, every other row carries its second.
inline std::vector<scorer::Ask> asks_of(const std::string& package) {
  const auto& adapters = scorer_of(package)->info().adapters;
  auto reader = rows::RowReader::open(kPackages + "rows.jsonl", rows::RowFormat::kAuto);
  std::vector<scorer::Ask> asks;
  for (auto read = reader->next(); read && *read; read = reader->next()) {
    const rows::Row& row = *(**read).row;
    scorer::Ask ask{
        {row.prompt, row.response_a, row.response_b}, "", scorer::Swap::kNone, scorer::Overflow::kPackage};
    if (adapters.size() > 1 && asks.size() % 2 == 1) ask.adapter = adapters[1].name;
    if (row.swap == rows::RowOrders::kAverage) ask.swap = scorer::Swap::kAverage;
    asks.push_back(std::move(ask));
  }
  return asks;
}

inline std::vector<scorer::Encoded> encode(const scorer::Scorer& scorer,
                                           const std::vector<scorer::Ask>& asks) {
  std::vector<scorer::Encoded> out;
  for (const scorer::Ask& ask : asks) {
    auto encoded = scorer.encode(ask);
    EXPECT_TRUE(encoded) << encoded.error().what;
    out.push_back(std::move(*encoded));
  }
  return out;
}

// All bits of an answer, as text that can be compared and printed.
inline std::string bits(const Result<scorer::Verdict>& verdict) {
  if (!verdict) return "error " + std::to_string(static_cast<int>(verdict.error().code));
  std::string out = std::to_string((*verdict).winner) + ":";
  const auto append = [&](std::span<const float> values) {
    for (const float v : values) {
      std::uint32_t word = 0;
      std::memcpy(&word, &v, 4);
      char text[16];
      std::snprintf(text, sizeof text, " %08x", word);
      out += text;
    }
    out += ";";
  };
  append((*verdict).logits);
  append((*verdict).probabilities);
  if ((*verdict).order_gap) append({&*(*verdict).order_gap, 1});
  return out;
}

// The answers to items, in one call.
inline std::vector<std::string> scored(scorer::Scorer& scorer,
                                       const std::vector<const scorer::Encoded*>& items) {
  std::vector<std::string> out;
  for (const auto& verdict : scorer.score(items)) out.push_back(bits(verdict));
  return out;
}

inline std::vector<const scorer::Encoded*> pointers(const std::vector<scorer::Encoded>& items) {
  std::vector<const scorer::Encoded*> out;
  for (const scorer::Encoded& item : items) out.push_back(&item);
  return out;
}

}  // namespace preferd::testing_scorer
