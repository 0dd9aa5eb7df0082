#include "server/api/render.h"

#include <algorithm>

#include "base/check.h"
#include "model/scorer/verdict_json.h"
#include "server/http/http_error.h"

namespace preferd::server {
namespace {

// Largest minus second largest.
float margin(const std::vector<float>& probabilities) {
  float first = 0, second = 0;
  for (const float p : probabilities) {
    second = std::max(second, std::min(p, first));
    first = std::max(first, p);
  }
  return first - second;
}

void render_features(const std::vector<std::string>& names, const std::vector<float>& values,
                     JsonWriter& json) {
  json.key("features").begin_object();
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) json.member(names[i], values[i]);
  json.end_object();
}

}  // namespace

void render_timing(const Timing& t, double total_seconds, JsonWriter& json) {
  json.key("timing").begin_object();
  json.member("encode_ms", t.encode * 1e3).member("queue_ms", t.queue * 1e3);
  json.member("forward_ms", t.forward * 1e3).member("total_ms", total_seconds * 1e3).end_object();
}

void render(const PairRequest& pair, const Job& job, const scorer::Verdict& v, const scorer::ScorerInfo& info,
            double total_seconds, JsonWriter& json) {
  PREFERD_CHECK(pair.id.has_value());
  json.member("id", *pair.id).member("model", info.name).member("revision", info.revision);
  json.member("winner", scorer::kClassNames.at(static_cast<std::size_t>(v.winner)));
  scorer::write_probabilities(v.probabilities, json);
  json.member("margin", margin(v.probabilities));
  if (v.order_gap) json.member("order_gap", *v.order_gap);
  scorer::write_path(v.path, json);
  if (pair.wanted.logits && !v.logits.empty()) {
    json.key("logits").begin_array();
    for (const float l : v.logits) json.value(l);
    json.end_array();
  }
  scorer::write_tokens(v.tokens, json);
  scorer::write_truncated(v.truncated, json);
  if (pair.wanted.features) render_features(info.feature_names, job.features, json);
  if (pair.wanted.timing) render_timing(job.timing, total_seconds, json);
}

void describe(const scorer::ScorerInfo& info, JsonWriter& json) {
  json.member("model", info.name).member("revision", info.revision).member("digest", info.digest);
  json.member("kind", info.kind).member("family", info.family).member("quantization", info.quantization);
  json.member("device", info.device).member("compute", info.compute);
  if (!info.residency.empty()) json.member("residency", info.residency);
  if (!info.compute_note.empty()) json.member("compute_note", info.compute_note);
  json.member("layout", info.layout);
  if (!info.date.empty()) json.member("date", info.date);
  json.member("output", info.output);
  json.member("max_tokens", info.max_tokens).key("classes").begin_array();
  for (std::size_t c = 0; c < static_cast<std::size_t>(info.classes); ++c)
    json.value(scorer::kClassNames.at(c));
  json.end_array().key("adapters").begin_array();
  for (const scorer::AdapterInfo& adapter : info.adapters) json.value(adapter.name);
  json.end_array().member("features", static_cast<std::uint64_t>(info.feature_names.size()));
  json.member("resident_bytes", static_cast<std::uint64_t>(info.resident_bytes));
  if (info.members.empty()) return;
  json.key("members").begin_array();
  for (const scorer::MemberInfo& member : info.members) {
    json.begin_object().member("member", member.label).member("weight", member.weight);
    if (member.when_margin_below) json.member("when_margin_below", *member.when_margin_below);
    describe(*member.info, json);
    json.end_object();
  }
  json.end_array();
}

void render_item_error(const std::optional<std::string>& id, const Error& error, JsonWriter& json) {
  if (id) json.member("id", *id);
  json.key("error").begin_object();
  json.member("code", word_of(error.code)).member("message", error.what);
  if (!error.param.empty()) json.member("param", error.param);
  json.end_object();
}

}  // namespace preferd::server
