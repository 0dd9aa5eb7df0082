// Reads the fields of a struct from a JSON object, strictly: wrong types, values out of range, unknown keys.
//
//   ReadFaults faults;
//   ObjectReader reader(json, "package", kManifest, faults);
//   describe(reader, manifest);
//   reader.close();
//   if (const Status s = faults.status(); !s) return s.error();
//
// Failures collect (ReadFaults); a field that failed keeps its value. Sentences come from a
// ReaderVoice, so that files and requests are told of in their own way.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/schema.h"

namespace preferd {

// "package.head" and "output": "package.head.output".
std::string path_under(const std::string& path, const std::string& key);

// How a kind of source is read and told of. `path` is where the value stands: "package.head.output".
class ReaderVoice {
 public:
  enum class Null { kValue, kAbsent };  // what an explicit null is
  enum class Keys { kClosed, kOpen };   // open: unknown keys are passed over

  virtual ~ReaderVoice() = default;

  // These: "PATH is FOUND, expected WHAT", "PATH is missing", "unknown key PATH".
  virtual Error wrong(const std::string& path, const Json& found, const std::string& what) const;
  virtual Error missing(const std::string& path) const;
  // `path` of the object; `known`: the keys it may have.
  virtual Error unknown(const std::string& path, const std::string& key,
                        const std::set<std::string>& known) const;
  // Whatever else is said of an object: `what` is the sentence.
  virtual Error failed(const std::string& what) const;

  Wording wording{};
  Null null = Null::kValue;
  Keys keys = Keys::kClosed;
};

struct ReadFaults {
  std::optional<Error> first;     // of wrong values and missing keys
  bool first_is_missing = false;  // it is a missing key
  std::optional<Error> unknown;   // the first unknown key

  // The first fault; an unknown key comes before a missing one, whose misspelling it may be.
  Status status() const;
};

// Borrows everything.
class ObjectReader : public Schema {
 public:
  // `path` of the object itself; empty: keys stand alone.
  ObjectReader(const Json& json, std::string path, const ReaderVoice& voice, ReadFaults& faults);

  // For what a declaration does not say. Each makes the key a known one.
  bool has(const char* key);
  bool need(const char* key);  // false, and a failure: it is missing
  const Json& at(const char* key) const { return json_.at(key); }
  std::string path(const char* key) const;

  ObjectReader inner(const char* key);
  ObjectReader element(const char* key, std::size_t index);

  void fail(const std::string& what);
  void fail(const Error& error);
  void wrong(const char* key, const std::string& what);  // its value is not what is expected

  // Call last: where keys are closed, every one that nobody asked for is an error.
  void close();

  void section(const char* name, const char* help, const std::function<void(Schema&)>& body) override;
  void tables(const char* name, const char* short_key, const char* help, std::size_t count,
              const std::function<void(std::size_t)>& resize,
              const std::function<void(Schema&, std::size_t)>& body) override;

 protected:
  void field(Field field) override;

 private:
  const Json& json_;
  std::string path_;
  const ReaderVoice& voice_;
  ReadFaults& faults_;
  std::set<std::string> known_;
};

}  // namespace preferd
