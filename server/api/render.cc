#include "server/api/render.h"

#include <algorithm>

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

void render_features(const Answer& answer, JsonWriter& json) {
  json.key("features").begin_object();
  const auto& names = answer.info->feature_names;
  for (std::size_t i = 0; i < std::min(names.size(), answer.features.size()); ++i)
    json.member(names[i], answer.features[i]);
  json.end_object();
}

void render_timing(const Timing& t, JsonWriter& json) {
  json.key("timing").begin_object();
  json.member("encode_ms", t.encode_ms).member("queue_ms", t.queue_ms);
  json.member("forward_ms", t.forward_ms).member("total_ms", t.total_ms).end_object();
}

}  // namespace

void render(const Answer& answer, JsonWriter& json) {
  const scorer::Verdict& v = answer.verdict;
  json.member("id", answer.id).member("model", answer.info->name).member("revision", answer.info->revision);
  json.member("winner", scorer::kClassNames.at(static_cast<std::size_t>(v.winner)));
  scorer::write_probabilities(v.probabilities, json);
  json.member("margin", margin(v.probabilities));
  if (v.order_gap) json.member("order_gap", *v.order_gap);
  scorer::write_path(v.path, json);
  if (answer.wanted.logits && !v.logits.empty()) {
    json.key("logits").begin_array();
    for (const float l : v.logits) json.value(l);
    json.end_array();
  }
  scorer::write_tokens(v.tokens, json);
  scorer::write_truncated(v.truncated, json);
  if (answer.wanted.features) render_features(answer, json);
  if (answer.wanted.timing) render_timing(answer.timing, json);
}

void describe(const scorer::ScorerInfo& info, JsonWriter& json) {
  json.member("model", info.name).member("revision", info.revision).member("digest", info.digest);
  json.member("kind", info.kind).member("family", info.family).member("quantization", info.quantization);
  json.member("device", info.device).member("compute", info.compute);
  if (!info.residency.empty()) json.member("residency", info.residency);
  if (!info.compute_note.empty()) json.member("compute_note", info.compute_note);
  json.member("layout", info.layout).member("output", info.output);
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
  json.member("code", code_name(error.code)).member("message", error.what);
  if (!error.param.empty()) json.member("param", error.param);
  json.end_object();
}

}  // namespace preferd::server
