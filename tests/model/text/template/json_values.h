// JSON as values of a template, for tests: every string, keys included, is a string of the data, numbered from 1 in the
// order of the text.
#pragma once

#include <nlohmann/json.hpp>

#include "model/text/template/chat_template.h"

namespace preferd::text::jinja {

using OrderedJson = nlohmann::ordered_json;

class JsonValues {
 public:
  Value value(const OrderedJson& json) {
    if (json.is_null()) return Value::none();
    if (json.is_boolean()) return Value::boolean(json.get<bool>());
    if (json.is_number_float()) return Value::number(json.get<double>());
    if (json.is_number()) return Value::integer(json.get<std::int64_t>());
    if (json.is_string()) return Value::string(json.get_ref<const std::string&>(), ++strings_);
    if (json.is_array()) {
      std::vector<Value> items;
      for (const OrderedJson& item : json) items.push_back(value(item));
      return Value::list(std::move(items));
    }
    std::vector<Pair> items;
    for (const auto& [key, item] : json.items()) {
      Value name = Value::string(key, ++strings_);
      items.emplace_back(std::move(name), value(item));
    }
    return Value::dict(std::move(items));
  }

  Bindings bindings(const OrderedJson& object) {
    Bindings out;
    for (const auto& [name, item] : object.items()) out.emplace(name, value(item));
    return out;
  }

 private:
  Source strings_ = 0;
};

}  // namespace preferd::text::jinja
