#include "base/toml.h"

#include <toml++/toml.h>
#include <sstream>

#include "base/numbers.h"

namespace preferd {
namespace {

Json to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    for (const auto& [key, value] : *table) out[std::string(key.str())] = to_json(value);
    return out;
  }
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& value : *array) out.push_back(to_json(value));
    return out;
  }
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_boolean()) return v->get();
  std::ostringstream text;
  node.visit([&](const auto& v) {
    if constexpr (toml::is_date<decltype(v)> || toml::is_time<decltype(v)> || toml::is_date_time<decltype(v)>)
      text << v.get();
  });
  return text.str();
}

std::string number(double v) {
  const std::string text = number_text(v);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

// JSON's escapes, and one that only TOML asks for. What is no UTF-8, as a path may be, is replaced.
std::string quoted(const std::string& text) {
  std::string out;
  for (const char c : Json(text).dump(-1, ' ', false, Json::error_handler_t::replace))
    out += c == '\x7f' ? std::string("\\u007F") : std::string(1, c);
  return out;
}

}  // namespace

Result<Json> parse_toml(std::string_view text, const std::string& name) {
  try {
    return to_json(toml::parse(text, name));
  } catch (const toml::parse_error& e) {
    return invalid(name + ":" + std::to_string(e.source().begin.line) + ": " + std::string(e.description()));
  }
}

std::string toml_value(const Json& v) {
  if (v.is_object()) {
    std::string out;
    for (const auto& [key, value] : v.items())
      out += (out.empty() ? " " : ", ") + quoted(key) + " = " + toml_value(value);
    return "{" + out + " }";
  }
  if (v.is_array()) {
    std::string out;
    for (const Json& value : v) out += (out.empty() ? "" : ", ") + toml_value(value);
    return "[" + out + "]";
  }
  if (v.is_string()) return quoted(v.get<std::string>());
  return v.is_number_float() ? number(v.get<double>()) : v.dump();
}

}  // namespace preferd
