#include "model/text/template/value.h"

#include <algorithm>

namespace preferd::text::jinja {

std::shared_ptr<const List> make_list(std::vector<Value> items, List::Form form) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  return std::make_shared<const List>(List{std::move(items), form, depth + 1});
}

std::shared_ptr<const Dict> make_dict(std::vector<Pair> items) {
  int depth = 0;
  for (const auto& [key, value] : items) depth = std::max({depth, key.depth(), value.depth()});
  return std::make_shared<const Dict>(Dict{std::move(items), depth + 1});
}

Value Value::list(std::vector<Value> items) { return make_list(std::move(items), List::Form::kList); }
Value Value::tuple(std::vector<Value> items) { return make_list(std::move(items), List::Form::kTuple); }
Value Value::dict(std::vector<Pair> items) { return make_dict(std::move(items)); }

bool Value::is_list() const { return is_sequence() && sequence()->form == List::Form::kList; }
bool Value::is_tuple() const { return is_sequence() && sequence()->form != List::Form::kList; }
const std::vector<Value>& Value::items() const { return sequence()->items; }

int Value::depth() const {
  if (is_sequence()) return sequence()->depth;
  if (is_dict()) return dict()->depth;
  return is_object() ? object()->depth : 0;
}

const char* Value::type_name() const {
  if (is_none()) return "NoneType";
  if (is_bool()) return "bool";
  if (is_int()) return "int";
  if (is_float()) return "float";
  if (is_text()) return text().markup ? "Markup" : "str";
  if (is_list()) return "list";
  if (is_tuple()) return "tuple";
  if (is_dict()) return "dict";
  return is_object() ? object()->type_name() : "Undefined";
}

}  // namespace preferd::text::jinja
