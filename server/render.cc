#include "server/render.h"

#include <algorithm>

#include "server/problem.h"

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
  const Verdict& v = answer.verdict;
  json.member("id", answer.id).member("model", answer.info->name).member("revision", answer.info->revision);
  json.member("winner", kClassNames.at(static_cast<std::size_t>(v.winner)));
  json.key("probabilities").begin_object();
  for (std::size_t i = 0; i < v.probabilities.size(); ++i) json.member(kClassNames.at(i), v.probabilities[i]);
  json.end_object();
  json.member("margin", margin(v.probabilities));
  if (v.order_gap) json.member("order_gap", *v.order_gap);
  if (answer.wanted.logits) {
    json.key("logits").begin_array();
    for (const float l : v.logits) json.value(l);
    json.end_array();
  }
  json.key("tokens").begin_object();
  json.member("prompt", answer.tokens.prompt).member("response_a", answer.tokens.response_a);
  json.member("response_b", answer.tokens.response_b).member("total", answer.tokens.total).end_object();
  json.key("truncated").begin_object();
  for (std::size_t i = 0; i < answer.truncated.size(); ++i) {
    const Lost& lost = answer.truncated[i];
    if (!lost.any()) continue;
    json.key(kPartNames[i]).begin_object();
    json.member("tokens", lost.tokens).member("chars", lost.chars).end_object();
  }
  json.end_object();
  if (answer.wanted.features) render_features(answer, json);
  if (answer.wanted.timing) render_timing(answer.timing, json);
}

void render_item_error(const std::optional<std::string>& id, const Error& error, JsonWriter& json) {
  if (id) json.member("id", *id);
  json.key("error").begin_object();
  json.member("code", code_name(error.code)).member("message", error.what);
  if (!error.param.empty()) json.member("param", error.param);
  json.end_object();
}

}  // namespace preferd::server
