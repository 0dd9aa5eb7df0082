#include "model/convert/golden_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/json.h"
#include "rows/forms.h"
#include "rows/records.h"

namespace preferd::convert {
namespace {

Result<scorer::GoldenPair> golden_pair(rows::RecordRead& record) {
  if (!record.fields) return record.fields.error();
  Json& fields = *record.fields;
  if (const Status s = rows::to_pair(fields, rows::Sides::kChosenFirst); !s) return s.error();
  auto texts = rows::texts_of(fields);
  if (!texts) return texts.error();
  scorer::GoldenPair pair;
  pair.id = record.id;
  pair.ask.pair = {std::move(texts->prompt), std::move(texts->response_a), std::move(texts->response_b),
                   std::move(texts->turns)};
  if (const auto adapter = fields.find("adapter"); adapter != fields.end() && !adapter->is_null()) {
    if (!adapter->is_string()) return invalid("adapter is not a string", "adapter");
    pair.ask.adapter = adapter->get<std::string>();
  }
  const auto logits = fields.find("logits");
  if (logits == fields.end() || logits->is_null()) return pair;
  if (!logits->is_array() || logits->empty())
    return invalid("logits: expected an array of numbers", "logits");
  for (const Json& z : *logits) {
    if (!z.is_number()) return invalid("logits: expected an array of numbers", "logits");
    pair.logits.push_back(z.get<double>());
  }
  return pair;
}

std::string numbers(const auto& values) {
  std::string out;
  for (const auto v : values) {
    char text[32];
    std::snprintf(text, sizeof text, "%s%.6g", out.empty() ? "" : ", ", static_cast<double>(v));
    out += text;
  }
  return "[" + out + "]";
}

}  // namespace

Result<std::vector<scorer::GoldenPair>> read_golden_rows(const std::string& path) {
  auto reader = rows::RecordReader::open(path, rows::RowFormat::kAuto);
  if (!reader) return reader.error();
  std::vector<scorer::GoldenPair> pairs;
  while (pairs.size() < scorer::kMostGolden) {
    auto record = (*reader)->next();
    if (!record) return record.error();
    if (!*record) break;
    auto pair = golden_pair(**record);
    if (!pair)
      return invalid(rows::place_of(path, (*record)->line, (*record)->element) + ": " + pair.error().what);
    pairs.push_back(std::move(*pair));
  }
  if (pairs.size() < scorer::kFewestGolden)
    return invalid(path + ": " + std::to_string(pairs.size()) + " rows, expected 16 or more");
  return pairs;
}

Result<std::size_t> compare_logits(std::span<const scorer::GoldenPair> rows,
                                   std::span<const scorer::Verdict> ours, const Labels& labels,
                                   const std::string& path) {
  std::string table;
  std::size_t compared = 0, off = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].logits.empty()) continue;
    ++compared;
    const std::vector<double> theirs = labels.reordered(rows[i].logits);
    const auto& got = ours[i].logits;
    double worst = got.size() == theirs.size() ? 0 : HUGE_VAL;
    for (std::size_t j = 0; j < got.size() && j < theirs.size(); ++j)
      worst = std::max(worst, std::fabs(static_cast<double>(got[j]) - theirs[j]));
    if (worst <= scorer::kFp32Tolerance) continue;
    ++off;
    char difference[32];
    std::snprintf(difference, sizeof difference, "%.3g", worst);
    table += "\n  row " + rows[i].id + ": given " + numbers(theirs) + ", the package says " + numbers(got) +
             ", off by " + difference;
  }
  if (off == 0) return compared;
  return invalid(
      path + ": the logits of " + std::to_string(off) + " of " + std::to_string(compared) +
      " rows differ from what the package gives in fp32 by more than 2e-4 (other tokens? preferd inspect "
      "--tokens shows them; another order of the classes? --labels):" +
      table);
}

}  // namespace preferd::convert
