// Typed reading of files that others write (config.json, adapter_config.json): keys that nobody asks for are
// passed over, null counts as absent. Errors name file, key, what was found and what was expected.
//
// Errors collect: read every field, then ask status() once.
#pragma once

#include <string>

#include "base/files.h"
#include "base/json.h"
#include "base/object_reader.h"
#include "base/result.h"

namespace preferd::checkpoint {

class Fields {
 public:
  // `where` starts every message: "base/config.json". `object` must outlive this.
  Fields(const Json& object, std::string where)
      : object_(object), voice_(std::move(where)), reader_(object_, "", voice_, faults_) {}
  Fields(const Fields&) = delete;
  Fields& operator=(const Fields&) = delete;

  bool has(const char* key) { return reader_.has(key); }  // present and not null

  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high);  // required
  std::int64_t integer_or(const char* key, std::int64_t fallback, std::int64_t low, std::int64_t high);
  double number(const char* key);
  double number_or(const char* key, double fallback);
  double positive_or(const char* key, double fallback);
  bool boolean_or(const char* key, bool fallback);
  std::string text(const char* key);
  std::string text_or(const char* key, std::string fallback);

  void expect(const char* key, const std::string& value);  // absent, or this text

  void fail(const std::string& message) { reader_.fail(message); }  // the first failure is kept
  Status status() const { return faults_.status(); }

  const Json& json() const { return object_; }
  const std::string& where() const { return voice_.where; }

 private:
  struct Voice : ReaderVoice {
    explicit Voice(std::string file) : where(std::move(file)) {
      wording = {.range = " in ", .to = ".."};
      null = Null::kAbsent;
      keys = Keys::kOpen;
    }
    Error failed(const std::string& what) const override { return invalid(where + ": " + what); }

    std::string where;
  };

  const Json& object_;
  Voice voice_;
  ReadFaults faults_;
  ObjectReader reader_;
};

// Reads and parses a JSON object file.
Result<Json> read_json_object(const Files& files, const std::string& path);

}  // namespace preferd::checkpoint
