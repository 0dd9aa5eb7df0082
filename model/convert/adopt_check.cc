#include "model/convert/adopt_check.h"

#include <cmath>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/schema.h"
#include "model/scorer/load.h"
#include "rows/records.h"

namespace preferd::convert {
namespace {

struct RewardRow {
  std::string id;
  text::Pair pair;
  std::vector<double> rewards;  // of response_a and response_b, or of the one response
};

Result<double> number(const Json& fields, const char* key) {
  const auto it = fields.find(key);
  if (it == fields.end()) return invalid(std::string(key) + " is missing");
  if (it->is_number()) return it->get<double>();
  if (it->is_string()) {  // a cell of CSV
    const std::string& text = it->get_ref<const std::string&>();
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (!text.empty() && *end == '\0') return value;
  }
  return invalid(std::string(key) + " is " + describe(*it) + ", expected a number");
}

// A row of one response is a pair with itself.
Result<RewardRow> row_of(const rows::RecordRead& record) {
  if (!record.fields) return record.fields.error();
  Json fields = *record.fields;
  const bool single = fields.contains("reward") && !fields.contains("reward_a");
  if (single) {
    if (!fields.contains("response")) return invalid("response is missing, expected one beside reward");
    fields["response_a"] = fields["response_b"] = fields["response"];
  }
  auto texts = rows::texts_of(fields);
  if (!texts) return texts.error();
  RewardRow row{record.id,
                {std::move(texts->prompt), std::move(texts->response_a), std::move(texts->response_b),
                 std::move(texts->turns)},
                {}};
  for (const char* key : single ? std::vector{"reward"} : std::vector{"reward_a", "reward_b"}) {
    const auto value = number(fields, key);
    if (!value) return value.error();
    row.rewards.push_back(*value);
  }
  return row;
}

Result<std::vector<RewardRow>> read_rows(const std::string& path) {
  auto reader = rows::RecordReader::open(path, rows::RowFormat::kAuto);
  if (!reader) return reader.error();
  std::vector<RewardRow> rows;
  while (true) {
    const auto record = (*reader)->next();
    if (!record) return record.error();
    if (!*record) break;
    auto row = row_of(**record);
    if (!row) return invalid(path + ":" + std::to_string((*record)->line) + ": " + row.error().what);
    rows.push_back(std::move(*row));
  }
  if (rows.empty()) return invalid(path + ": no rows, expected some with rewards");
  return rows;
}

std::string line(const RewardRow& row, std::size_t i, double ours, bool off) {
  char text[160];
  std::snprintf(text, sizeof text, "%-20s %-9s %12.6f %12.6f %10.2e%s\n", row.id.c_str(),
                row.rewards.size() == 1 ? "reward"
                : i == 0                ? "reward_a"
                                        : "reward_b",
                row.rewards[i], ours, std::fabs(ours - row.rewards[i]), off ? "  off" : "");
  return text;
}

}  // namespace

Result<RewardCheck> check_rewards(const std::shared_ptr<const Files>& package, const std::string& path,
                                  double tolerance, int threads) {
  const auto rows = read_rows(path);
  if (!rows) return rows.error();
  auto scorer = scorer::load_scorer(
      package, {.threads = threads, .compute = scorer::ComputeType::kFp32, .golden = scorer::Golden::kSkip});
  if (!scorer) return scorer.error();
  RewardCheck check;
  check.table = "row                  which            given         ours difference\n";
  for (const RewardRow& row : *rows) {
    const auto encoded = (*scorer)->encode({.pair = row.pair, .adapter = {}});
    if (!encoded) return invalid(path + ": row " + row.id + ": " + encoded.error().what);
    const scorer::Encoded* item = &*encoded;
    const auto verdict = std::move((*scorer)->score({&item, 1})[0]);
    if (!verdict) return invalid(path + ": row " + row.id + ": " + verdict.error().what);
    if ((*scorer)->info().output != "difference")
      return invalid(path + ": the package's output is " + (*scorer)->info().output +
                     ", expected difference, whose logits are rewards");
    for (std::size_t i = 0; i < row.rewards.size(); ++i) {
      const double ours = verdict->logits[i], difference = std::fabs(ours - row.rewards[i]);
      const bool off = !(difference <= tolerance);
      check.worst = std::max(check.worst, difference);
      ++check.compared;
      check.off += off ? 1 : 0;
      check.table += line(row, i, ours, off);
    }
  }
  char text[120];
  std::snprintf(text, sizeof text, "%zu rewards; the largest difference is %.2e, %zu are over %g\n",
                check.compared, check.worst, check.off, tolerance);
  check.table += text;
  return check;
}

}  // namespace preferd::convert
