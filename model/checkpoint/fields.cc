#include "model/checkpoint/fields.h"

namespace preferd::checkpoint {

Result<Json> read_json_object(const Files& files, const std::string& path) {
  const auto bytes = files.open(path);
  if (!bytes) return bytes.error();
  auto json = parse_json(bytes->text());
  if (!json) return invalid(files.name() + "/" + path + ": " + json.error().what);
  if (!json->is_object())
    return invalid(files.name() + "/" + path + ": expected a JSON object, found " + describe(*json));
  return json;
}

std::int64_t Fields::integer(const char* key, std::int64_t low, std::int64_t high) {
  std::int64_t value = low;
  reader_.integer(key, value, low, high, "", {.required = true});
  return value;
}

std::int64_t Fields::integer_or(const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high) {
  if (!reader_.has(key)) return fallback;
  return integer(key, low, high);
}

double Fields::number(const char* key) { return reader_.need(key) ? number_or(key, 0) : 0; }

double Fields::number_or(const char* key, double fallback) {
  reader_.real(key, fallback, "");
  return fallback;
}

double Fields::positive_or(const char* key, double fallback) {
  const double value = number_or(key, fallback);
  if (!(value > 0)) reader_.wrong(key, "a number above 0");
  return value;
}

bool Fields::boolean_or(const char* key, bool fallback) {
  reader_.toggle(key, fallback, "");
  return fallback;
}

std::string Fields::text(const char* key) { return reader_.need(key) ? text_or(key, "") : ""; }

std::string Fields::text_or(const char* key, std::string fallback) {
  reader_.text(key, fallback, "");
  return fallback;
}

void Fields::expect(const char* key, const std::string& value) {
  if (const std::string found = text_or(key, value); found != value)
    fail(std::string(key) + " is '" + found + "', expected '" + value + "'");
}

}  // namespace preferd::checkpoint
