#include "model/scorer/golden.h"

#include <cmath>

#include "base/json.h"
#include "rows/turns.h"

namespace preferd {
namespace {

struct GoldenRow {
  std::string id;
  Ask ask;
  std::vector<double> logits;
};

Result<GoldenRow> read_row(std::string_view line) {
  const auto json = parse_json(line);
  if (!json) return json.error();
  if (!json->is_object()) return invalid("expected a JSON object");
  GoldenRow row;
  row.id = json->contains("id") ? (*json)["id"].dump() : "without id";
  for (auto [key, into] :
       {std::pair{"prompt", &row.ask.pair.prompt}, std::pair{"response_a", &row.ask.pair.response_a},
        std::pair{"response_b", &row.ask.pair.response_b}}) {
    if (!json->contains(key)) return invalid(std::string(key) + " is missing");
    auto text = flatten((*json)[key], Form::kFile, key);
    if (!text) return text.error();
    *into = std::move(*text);
  }
  flatten_lmsys(row.ask.pair.prompt, row.ask.pair.response_a, row.ask.pair.response_b);
  if (json->contains("adapter")) {
    if (!(*json)["adapter"].is_string()) return invalid("adapter is no name");
    row.ask.adapter = (*json)["adapter"].get<std::string>();
  }
  if (!json->contains("logits") || !(*json)["logits"].is_array())
    return invalid("logits is missing or no array");
  for (const Json& z : (*json)["logits"]) {
    if (!z.is_number()) return invalid("logits holds something that is no number");
    row.logits.push_back(z.get<double>());
  }
  return row;
}

std::string list_of(const auto& values) {
  std::string out;
  JsonWriter w(out);
  w.begin_array();
  for (const auto v : values) w.value(v);
  w.end_array();
  return out;
}

}  // namespace

Result<GoldenReport> verify_golden(const Files& package, const std::string& path, Scorer& scorer) {
  const auto bytes = package.open(path);
  if (!bytes) return invalid("package.json: golden: " + bytes.error().what);
  const std::string where = package.name() + "/" + path;
  std::vector<GoldenRow> rows;
  std::vector<Encoded> encoded;
  const std::string_view text = bytes->text();
  for (std::size_t at = 0, number = 1; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto row = read_row(line);
    if (!row) return invalid(where + ": line " + std::to_string(number) + ": " + row.error().what);
    auto item = scorer.encode(row->ask);
    if (!item) return invalid(where + ": row " + row->id + ": " + item.error().what);
    rows.push_back(std::move(*row));
    encoded.push_back(std::move(*item));
  }
  if (rows.size() < 16 || rows.size() > 64)
    return invalid(where + ": " + std::to_string(rows.size()) + " pairs, expected 16 to 64");
  std::vector<const Encoded*> items;
  for (const Encoded& e : encoded) items.push_back(&e);
  const auto verdicts = scorer.score(items);
  GoldenReport report{rows.size(), 0};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!verdicts[i]) return invalid(where + ": row " + rows[i].id + ": " + verdicts[i].error().what);
    const auto& got = verdicts[i]->logits;
    double worst = got.size() == rows[i].logits.size() ? 0 : HUGE_VAL;
    for (std::size_t j = 0; j < got.size() && j < rows[i].logits.size(); ++j)
      worst = std::max(worst, std::fabs(static_cast<double>(got[j]) - rows[i].logits[j]));
    if (!(worst <= kGoldenTolerance))
      return invalid(where + ": row " + rows[i].id + ": logits " + list_of(got) + ", recorded " +
                     list_of(rows[i].logits) + ", tolerance 2e-4");
    report.worst = std::max(report.worst, worst);
  }
  return report;
}

}  // namespace preferd
