// JSON in and out. Reading is nlohmann's parser behind limits; writing is by hand, as its dump() wants the whole
// value as a tree and prints a float as the double that it became: 0.1f as 0.10000000149011612.
// Accepted: RFC 8259 text in UTF-8. Refused with kInvalid: a key twice in one object, nesting deeper or
// values more numerous than the limits, numbers outside double or 64-bit range, lone surrogates, anything but
// white space behind the value, a NUL byte anywhere. kTooLarge: more bytes than the limit. Messages give byte
// positions and never quote the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace preferd {

using Json = nlohmann::json;

struct JsonLimits {
  std::size_t max_bytes = std::size_t{1} << 30;
  int max_depth = 32;
  std::size_t max_values = std::size_t{1} << 26;
};

Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});

// For those who drive nlohmann's parser themselves: it takes a NUL byte for the end of the text and reads
// nothing behind it. No JSON text holds one.
Status refuse_nul(std::string_view text);

// Appends JSON text to a string. The caller keeps the grammar right (a key before each member of an
// object); commas are the writer's. Floats are printed shortest-round-trip; NaN and infinity as null.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);  // invalid UTF-8 is replaced by U+FFFD
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(float number);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(int number) { return value(static_cast<std::int64_t>(number)); }
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // an already rendered value

  template <class T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

 private:
  void separate();

  std::string& out_;
  std::vector<bool> has_members_;  // one a nesting level
  bool after_key_ = false;
};

}  // namespace preferd
