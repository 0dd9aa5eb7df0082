// Typed reading of a JSON object with errors that name file, key, what was found and what was expected.
//
// Errors collect: read every field, then ask error() once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"

namespace preferd::checkpoint {

class Fields {
 public:
  // `where` starts every message: "base/config.json". `object` must outlive this.
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  bool has(const char* key) const;  // present and not null

  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high);  // required
  std::int64_t integer_or(const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high);
  double number(const char* key);
  double number_or(const char* key, double fallback);
  double positive_or(const char* key, double fallback);
  bool boolean_or(const char* key, bool fallback);
  std::string text(const char* key);
  std::string text_or(const char* key, std::string fallback);

  void expect(const char* key, const std::string& value);  // absent, or this text

  void fail(const std::string& message);  // the first failure is kept
  Status status() const;

  const Json& json() const { return object_; }
  const std::string& where() const { return where_; }

 private:
  const Json* find(const char* key) const;
  const Json* need(const char* key);

  const Json& object_;
  std::string where_;
  std::optional<Error> failure_;
};

// A short description of a value for messages: `a string`, `3.5`, `null`.
std::string describe(const Json& value);

// Reads and parses a JSON object file.
Result<Json> read_json_object(const Files& files, const std::string& path);

}  // namespace preferd::checkpoint
