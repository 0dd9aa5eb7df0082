#include "model/scorer/golden.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/json.h"
#include "rows/turns.h"

namespace preferd::scorer {
namespace {

Result<GoldenPair> read_pair(std::string_view line) {
  const auto json = parse_json(line);
  if (!json) return json.error();
  if (!json->is_object()) return invalid("expected a JSON object");
  GoldenPair row;
  row.id = json->contains("id") ? (*json)["id"].dump() : "without id";
  for (auto [key, into] :
       {std::pair{"prompt", &row.ask.pair.prompt}, std::pair{"response_a", &row.ask.pair.response_a},
        std::pair{"response_b", &row.ask.pair.response_b}}) {
    if (!json->contains(key)) return invalid(std::string(key) + " is missing");
    auto read = rows::read_prompt((*json)[key], rows::Form::kFile, key);
    if (!read) return read.error();
    *into = std::move(read->text);
    if (into == &row.ask.pair.prompt) row.ask.pair.turns = std::move(read->turns);
  }
  const auto lists =
      rows::flatten_lmsys(row.ask.pair.prompt, row.ask.pair.response_a, row.ask.pair.response_b);
  if (!lists) return lists.error();
  if (json->contains("adapter")) {
    if (!(*json)["adapter"].is_string()) return invalid("adapter is not a name");
    row.ask.adapter = (*json)["adapter"].get<std::string>();
  }
  if (!json->contains("logits") || !(*json)["logits"].is_array())
    return invalid("logits is missing or not an array");
  for (const Json& z : (*json)["logits"]) {
    if (!z.is_number()) return invalid("logits holds something that is not a number");
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

std::string text_of(double tolerance) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", tolerance);
  return text.data();
}

}  // namespace

double golden_tolerance(const ScorerInfo& info) {
  if (info.compute == "fp32") return kFp32Tolerance;
  return info.compute == "int16" ? kInt16Tolerance : kCoarseTolerance;
}

void append_golden(std::string& text, const GoldenPair& pair) {
  JsonWriter json(text);
  json.begin_object().key("id").raw(pair.id).key("prompt");
  if (pair.ask.pair.turns.empty()) json.value(pair.ask.pair.prompt);
  if (!pair.ask.pair.turns.empty()) {
    json.begin_array();
    for (const rows::Turn& turn : pair.ask.pair.turns)
      json.begin_object().member("role", turn.role).member("content", turn.content).end_object();
    json.end_array();
  }
  json.member("response_a", pair.ask.pair.response_a).member("response_b", pair.ask.pair.response_b);
  if (!pair.ask.adapter.empty()) json.member("adapter", pair.ask.adapter);
  json.key("logits").begin_array();
  for (const double z : pair.logits) json.value(static_cast<float>(z));
  json.end_array().end_object();
  text += '\n';
}

Result<std::vector<GoldenPair>> read_golden(const Files& package, const std::string& path) {
  const auto bytes = package.open(path);
  if (!bytes) return invalid("package.json: golden: " + bytes.error().what);
  const std::string where = package.name() + "/" + path;
  std::vector<GoldenPair> pairs;
  const std::string_view text = bytes->text();
  for (std::size_t at = 0, number = 1; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto pair = read_pair(line);
    if (!pair) return invalid(where + ": line " + std::to_string(number) + ": " + pair.error().what);
    pairs.push_back(std::move(*pair));
  }
  if (pairs.size() < kFewestGolden || pairs.size() > kMostGolden)
    return invalid(where + ": " + std::to_string(pairs.size()) + " pairs, expected 16 to 64");
  return pairs;
}

Result<std::vector<Verdict>> score_golden(std::span<const GoldenPair> pairs, Scorer& scorer) {
  std::vector<Encoded> encoded;
  for (const GoldenPair& pair : pairs) {
    auto item = scorer.encode(pair.ask);
    if (!item) return invalid("row " + pair.id + ": " + item.error().what);
    encoded.push_back(std::move(*item));
  }
  std::vector<const Encoded*> items;
  for (const Encoded& e : encoded) items.push_back(&e);
  std::vector<Verdict> verdicts;
  for (auto& verdict : scorer.score(items)) {
    if (!verdict && verdict.error().code == Code::kChanged) return verdict.error();
    if (!verdict) return invalid("row " + pairs[verdicts.size()].id + ": " + verdict.error().what);
    verdicts.push_back(std::move(*verdict));
  }
  return verdicts;
}

std::string golden_text(std::vector<GoldenPair> pairs, std::span<const Verdict> verdicts) {
  PREFERD_CHECK(pairs.size() == verdicts.size());
  std::string text;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& logits = verdicts[i].logits;
    pairs[i].logits.assign(logits.begin(), logits.end());
    append_golden(text, pairs[i]);
  }
  return text;
}

Result<GoldenReport> verify_golden(const Files& package, const std::string& path, Scorer& scorer,
                                   double tolerance) {
  const std::string where = package.name() + "/" + path;
  const auto pairs = read_golden(package, path);
  if (!pairs) return pairs.error();
  const auto verdicts = score_golden(*pairs, scorer);
  if (!verdicts) return invalid(where + ": " + verdicts.error().what);
  GoldenReport report{pairs->size(), 0};
  for (std::size_t i = 0; i < pairs->size(); ++i) {
    const auto& got = (*verdicts)[i].logits;
    const auto& recorded = (*pairs)[i].logits;
    double worst = got.size() == recorded.size() ? 0 : HUGE_VAL;
    for (std::size_t j = 0; j < got.size() && j < recorded.size(); ++j)
      worst = std::max(worst, std::fabs(static_cast<double>(got[j]) - recorded[j]));
    if (!(worst <= tolerance))
      return invalid(where + ": row " + (*pairs)[i].id + ": logits " + list_of(got) + ", recorded " +
                     list_of(recorded) + ", tolerance " + text_of(tolerance));
    report.worst = std::max(report.worst, worst);
  }
  return report;
}

}  // namespace preferd::scorer
