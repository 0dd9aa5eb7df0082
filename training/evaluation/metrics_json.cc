#include "base/json.h"
#include "training/evaluation/metrics.h"

namespace preferd::training {
namespace {

constexpr std::array<const char*, kMeasures> kNames = {"accuracy", "log_loss",  "brier",    "ece",
                                                       "auc",      "flip_rate", "order_gap"};

void write(JsonWriter& json, const char* name, const Estimate& e) {
  json.key(name).begin_object();
  json.member("value", e.value).member("low", e.low).member("high", e.high).end_object();
}

void write(JsonWriter& json, const char* name, const std::vector<Slice>& slices) {
  json.key(name).begin_array();
  for (const Slice& s : slices) {
    json.begin_object().member("name", s.name).member("rows", s.rows).member("decided", s.decided);
    write(json, "accuracy", s.accuracy);
    write(json, "log_loss", s.log_loss);
    json.member("longer_wins", s.longer_wins).end_object();
  }
  json.end_array();
}

void write(JsonWriter& json, const Comparison& c) {
  json.begin_object().member("name", c.name);
  write(json, "accuracy", c.accuracy);
  write(json, "log_loss", c.log_loss);
  write(json, "gain", c.gain);
  json.member("only_model_right", c.only_model_right).member("only_baseline_right", c.only_baseline_right);
  json.member("p_value", c.p_value).end_object();
}

}  // namespace

std::string metrics_json(const Metrics& m) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("classes", m.classes).member("rows", m.rows).member("decided", m.decided);
  json.member("flips_known", m.flips_known);
  for (std::size_t i = 0; i < kMeasures; ++i) write(json, kNames[i], m.measures[i]);
  json.key("reliability").begin_array();
  for (std::size_t b = 0; b < kCalibrationBins; ++b) {
    const auto end = static_cast<double>(kCalibrationBins), at = static_cast<double>(b);
    json.begin_object().member("from", at / end).member("to", (at + 1) / end);
    json.member("rows", m.reliability[b].rows).member("predicted", m.reliability[b].predicted);
    json.member("observed", m.reliability[b].observed).end_object();
  }
  json.end_array().key("confusion").begin_array();
  for (const auto& line : m.confusion) {
    json.begin_array();
    for (const std::int64_t count : line) json.value(count);
    json.end_array();
  }
  json.end_array();
  write(json, "languages", m.languages);
  write(json, "sources", m.sources);
  write(json, "lengths", m.lengths);
  json.key("baselines").begin_array();
  for (const Comparison& c : m.baselines) write(json, c);
  json.end_array();
  json.key("bootstrap").begin_object();
  json.member("draws", std::uint64_t{m.resampling.draws}).member("seed", m.resampling.seed).end_object();
  json.end_object();
  return out;
}

}  // namespace preferd::training
