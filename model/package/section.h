// One object of a package's manifest: typed fields, every key known. Failures collect in one place, the first
// is kept; messages start with the file and the key's path.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "model/checkpoint/fields.h"

namespace preferd::package {

// Borrows `json` and `failure`.
class Section {
 public:
  Section(const Json& json, std::string path, std::optional<Error>& failure)
      : json_(json), path_(std::move(path)), failure_(failure) {
    if (!json_.is_object()) fail(path_ + " is " + checkpoint::describe(json_) + ", expected an object");
  }

  bool has(const char* key) {
    known_.insert(key);
    return json_.is_object() && json_.contains(key);
  }
  bool need(const char* key) {
    if (has(key)) return true;
    missing_ = missing_ || !failure_;
    fail(path_ + "." + key + " is missing");
    return false;
  }
  const Json& at(const char* key) const { return json_.at(key); }
  std::string path(const char* key) const { return path_ + "." + key; }
  Section section(const char* key) { return Section(at(key), path(key), failure_); }

  void text(const char* key, std::string& to) {
    if (has(key) && expect(key, at(key).is_string(), "a string")) to = at(key).get<std::string>();
  }
  void text(const char* key, std::optional<std::string>& to) {
    if (has(key) && expect(key, at(key).is_string(), "a string")) to = at(key).get<std::string>();
  }
  void flag(const char* key, bool& to) {
    if (has(key) && expect(key, at(key).is_boolean(), "true or false")) to = at(key).get<bool>();
  }
  void number(const char* key, double& to) {
    if (has(key) && expect(key, at(key).is_number(), "a number")) to = at(key).get<double>();
  }
  void integer(const char* key, std::int64_t low, std::int64_t high, std::int64_t& to) {
    if (!has(key)) return;
    const Json& v = at(key);
    const bool fits = v.is_number_integer() && v.get<double>() >= static_cast<double>(low) &&
                      v.get<double>() <= static_cast<double>(high);
    if (expect(key, fits, "an integer in " + std::to_string(low) + ".." + std::to_string(high)))
      to = v.get<std::int64_t>();
  }
  template <class E>
  void choice(const char* key, std::initializer_list<std::pair<const char*, E>> words, E& to) {
    if (!has(key)) return;
    std::string names;
    for (const auto& [word, value] : words) {
      if (at(key) == word) {
        to = value;
        return;
      }
      names += (names.empty() ? "" : ", ") + std::string(word);
    }
    expect(key, false, "one of " + names);
  }
  void strings(const char* key, std::vector<std::string>& to) {
    if (!has(key) || !expect(key, at(key).is_array(), "an array of strings")) return;
    for (const Json& s : at(key))
      if (expect(key, s.is_string(), "an array of strings")) to.push_back(s.get<std::string>());
  }
  void fail(const std::string& what) {
    if (!failure_) failure_ = invalid("package.json: " + what);
  }
  // Call last: every key that nobody asked for is an error. It is named before a missing one, whose
  // misspelling it may be.
  void close() {
    if (!json_.is_object()) return;
    for (const auto& [key, value] : json_.items()) {
      if (known_.contains(key)) continue;
      if (std::exchange(missing_, false)) failure_.reset();
      fail("unknown key " + path_ + "." + key);
    }
  }

 private:
  bool expect(const char* key, bool ok, const std::string& what) {
    if (!ok) fail(path(key) + " is " + checkpoint::describe(at(key)) + ", expected " + what);
    return ok;
  }

  const Json& json_;
  std::string path_;
  std::optional<Error>& failure_;
  std::set<std::string> known_;
  bool missing_ = false;  // the failure is a key that is missing here
};

// package.json of any format. Errors: absent, unreadable, no JSON object.
struct ManifestFile {
  Json json;
  std::string digest;  // SHA-256, hexadecimal
};
Result<ManifestFile> read_manifest_file(const Files& package);

}  // namespace preferd::package
