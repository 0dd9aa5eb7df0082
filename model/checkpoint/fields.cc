#include "model/checkpoint/fields.h"

#include <cmath>

namespace preferd::checkpoint {

std::string describe(const Json& value) {
  if (value.is_string()) {
    const auto& s = value.get_ref<const std::string&>();
    return s.size() <= 40 ? "'" + s + "'" : "a string of " + std::to_string(s.size()) + " bytes";
  }
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

Result<Json> read_json_object(const Files& files, const std::string& path) {
  const auto bytes = files.open(path);
  if (!bytes) return bytes.error();
  auto json = parse_json(bytes->text());
  if (!json) return invalid(files.name() + "/" + path + ": " + json.error().what);
  if (!json->is_object())
    return invalid(files.name() + "/" + path + ": expected a JSON object, found " + describe(*json));
  return json;
}

bool Fields::has(const char* key) const { return find(key) != nullptr; }

const Json* Fields::find(const char* key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

const Json* Fields::need(const char* key) {
  const Json* value = find(key);
  if (value == nullptr) fail(std::string(key) + " is missing");
  return value;
}

void Fields::fail(const std::string& message) {
  if (!failure_) failure_ = invalid(where_ + ": " + message);
}

Status Fields::status() const {
  if (failure_) return *failure_;
  return Ok{};
}

std::int64_t Fields::integer(const char* key, std::int64_t low, std::int64_t high) {
  return need(key) == nullptr ? low : integer_or(key, low, low, high);
}

std::int64_t Fields::integer_or(const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_number_integer() &&
      !(value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
    const auto number = value->get<std::int64_t>();
    if (number >= low && number <= high) return number;
  }
  fail(std::string(key) + " is " + describe(*value) + ", expected an integer in " + std::to_string(low) +
       ".." + std::to_string(high));
  return low;
}

double Fields::number(const char* key) { return need(key) == nullptr ? 0 : number_or(key, 0); }

double Fields::number_or(const char* key, double fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_number() && std::isfinite(value->get<double>())) return value->get<double>();
  fail(std::string(key) + " is " + describe(*value) + ", expected a number");
  return fallback;
}

double Fields::positive_or(const char* key, double fallback) {
  const double value = number_or(key, fallback);
  if (value > 0) return value;
  fail(std::string(key) + " is " + describe(*find(key)) + ", expected a number above 0");
  return fallback;
}

bool Fields::boolean_or(const char* key, bool fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  fail(std::string(key) + " is " + describe(*value) + ", expected true or false");
  return fallback;
}

std::string Fields::text(const char* key) { return need(key) == nullptr ? "" : text_or(key, ""); }

std::string Fields::text_or(const char* key, std::string fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) return value->get<std::string>();
  fail(std::string(key) + " is " + describe(*value) + ", expected a string");
  return fallback;
}

void Fields::expect(const char* key, const std::string& value) {
  if (const std::string found = text_or(key, value); found != value)
    fail(std::string(key) + " is '" + found + "', expected '" + value + "'");
}

}  // namespace preferd::checkpoint
