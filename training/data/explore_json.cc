#include <array>

#include "base/json.h"
#include "training/data/explore.h"

namespace preferd::training {
namespace {

void write(JsonWriter& json, const char* name, const Outcomes& o) {
  json.key(name).begin_object().member("model_a", o.model_a).member("model_b", o.model_b);
  json.member("tie", o.tie).member("unlabelled", o.unlabelled).end_object();
}

void write(JsonWriter& json, const char* name, const std::map<std::string, Outcomes>& groups) {
  json.key(name).begin_object();
  for (const auto& [group, outcomes] : groups) write(json, group.c_str(), outcomes);
  json.end_object();
}

void write(JsonWriter& json, const char* name, const Lengths& lengths) {
  if (lengths.count() == 0) return;
  constexpr std::array<std::pair<const char*, double>, 5> kQuantiles = {
      {{"p5", .05}, {"p25", .25}, {"median", .5}, {"p75", .75}, {"p95", .95}}};
  json.key(name).begin_object().member("mean", lengths.mean());
  for (const auto& [quantile, share] : kQuantiles) json.member(quantile, lengths.quantile(share));
  json.member("max", lengths.max()).end_object();
}

void write(JsonWriter& json, const char* name, const SplitFacts& f) {
  json.key(name).begin_object().member("rows", f.rows).member("bad", f.bad).member("prompts", f.prompts);
  json.member("repeated", f.repeated).member("contradictory", f.contradictory);
  json.member("different_length", f.different_length).member("longer_won", f.longer_won);
  write(json, "outcomes", f.outcomes);
  write(json, "sources", f.by_source);
  write(json, "languages", f.by_language);
  write(json, "prompt_chars", f.prompt_chars);
  write(json, "response_chars", f.response_chars);
  write(json, "prompt_tokens", f.prompt_tokens);
  write(json, "response_tokens", f.response_tokens);
  write(json, "pair_tokens", f.pair_tokens);
  json.key("models").begin_array();
  for (const ModelRecord& m : f.models) {
    json.begin_object().member("name", m.name).member("wins", m.wins);
    json.member("losses", m.losses).member("ties", m.ties).end_object();
  }
  json.end_array().end_object();
}

}  // namespace

std::string facts_json(const DataFacts& facts) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  write(json, "train", facts.train);
  write(json, "valid", facts.valid);
  json.member("shared_prompts", facts.shared_prompts).member("shared_pairs", facts.shared_pairs);
  json.key("bad_rows").begin_array();
  for (const std::string& line : facts.bad_rows) json.value(line);
  json.end_array().end_object();
  return out + "\n";
}

}  // namespace preferd::training
