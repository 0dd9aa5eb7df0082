// Reads a case a line, {"template": TEXT, "variables": {...}}, and writes what becomes of it: {"spans": [[TEXT, SOURCE]
// ...]} or {"error": SENTENCE}. Sources are those of json_values.h.
#include <iostream>

#include "tests/model/text/template/json_values.h"

namespace preferd::text::jinja {
namespace {

OrderedJson rendered(const OrderedJson& one) {
  const auto chat = ChatTemplate::compile(one["template"].get<std::string>(), "template");
  if (!chat) return {{"error", chat.error().what}};
  RenderOptions options;
  options.limits.time = std::chrono::seconds(10);
  options.today = {2024, 7, 26};
  const auto out = chat->render(JsonValues().bindings(one["variables"]), options);
  if (!out) return {{"error", out.error().what}};
  OrderedJson spans = OrderedJson::array();
  for (const Span& span : out->spans) spans.push_back({span.text, span.source});
  return {{"spans", std::move(spans)}};
}

}  // namespace
}  // namespace preferd::text::jinja

int main() {
  for (std::string line; std::getline(std::cin, line);)
    std::cout << preferd::text::jinja::rendered(nlohmann::ordered_json::parse(line)).dump() << std::endl;
}
