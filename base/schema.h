// What a struct is read from, printed as and documented by, declared once:
//
//   struct Options { std::string host = "127.0.0.1"; int port = 8080; Level level = Level::kInfo; };
//
//   void describe(Schema& s, Options& o) {
//     s.text("host", o.host, "address to listen on");
//     s.integer("port", o.port, 0, 65535, "TCP port to listen on");
//     s.choice("log-level", o.level, "least important lines that are logged");
//   }
//
// Whoever visits the fields decides what happens: settings.h reads them from flags, environment and a file and
// writes --help and --print-config; object_reader.h reads them from JSON (TOML files, package.json,
// config.json, bodies of requests, rows); schema_text.h prints them as TOML. The value that a target has when
// it is declared is its default. Help is one phrase without a full stop.
//
// Names are lower case words joined by '-' or '_'. Targets are borrowed: they must outlive the visitor.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/words.h"

namespace preferd {

// How a field may be given. The last two mean something on command lines alone.
struct Traits {
  bool required = false;
  bool secret = false;      // never shown
  bool positional = false;  // an argument without a flag; never from a file or the environment
  bool flag_only = false;   // never from a file or the environment
};

// One field, as visitors see it: its value in and out is JSON.
struct Field {
  enum class Kind { kText, kTexts, kInteger, kReal, kToggle, kWord, kObject, kOther };

  const char* name;
  const char* help;
  Kind kind;
  Traits traits{};
  Json low{}, high{};                // of numbers; null: no bound
  std::vector<const char*> words{};  // kWord: all there are
  const char* expected = "";         // kOther: what it takes, in words
  std::function<Json()> show;
  // Not of kOther. False: `value` is not what is expected; the target is as it was.
  std::function<bool(const Json& value)> set{};
  // kOther: `path` is where the value stands, for messages.
  std::function<Status(const Json& value, const std::string& path)> read{};
};

class Schema {
 public:
  virtual ~Schema() = default;

  void text(const char* name, std::string& target, const char* help, Traits traits = {});
  void text(const char* name, std::optional<std::string>& target, const char* help);
  void texts(const char* name, std::vector<std::string>& target, const char* help, Traits traits = {});
  void toggle(const char* name, bool& target, const char* help, Traits traits = {});
  // A table that is handed on as it is: its keys are another contract's.
  void object(const char* name, Json& target, const char* help);

  // low <= value <= high.
  template <std::integral T>
  void integer(const char* name, T& target, std::type_identity_t<T> low, std::type_identity_t<T> high,
               const char* help, Traits traits = {}) {
    Field f{.name = name, .help = help, .kind = Field::Kind::kInteger, .traits = traits, .show = {}};
    f.low = low;
    f.high = high;
    f.show = [&target] { return Json(target); };
    f.set = [&target, low, high](const Json& v) { return take_integer(v, low, high, target); };
    field(std::move(f));
  }
  void real(const char* name, double& target, double low, double high, const char* help, Traits traits = {});
  void real(const char* name, double& target, const char* help);  // any that is finite

  // One of the words beside E (words.h), or of those that are `allowed`.
  template <Worded E>
  void choice(const char* name, E& target, const char* help, std::initializer_list<E> allowed = {}) {
    Field f = choice_of<E>(name, help, nullptr, allowed);
    f.show = [&target] { return Json(word_of(target)); };
    f.set = [&target, names = f.words](const Json& v) {
      if (!is_one_of(v, names)) return false;
      target = *value_of<E>(v.get_ref<const std::string&>());
      return true;
    };
    field(std::move(f));
  }
  // The same, or `nothing`, which is a word of its own: "as-found".
  template <Worded E>
  void choice(const char* name, std::optional<E>& target, const char* nothing, const char* help,
              std::initializer_list<E> allowed = {}) {
    Field f = choice_of<E>(name, help, nothing, allowed);
    f.show = [&target, nothing] { return Json(target ? word_of(*target) : nothing); };
    f.set = [&target, names = f.words](const Json& v) {
      if (!is_one_of(v, names)) return false;
      target = value_of<E>(v.get_ref<const std::string&>());
      return true;
    };
    field(std::move(f));
  }

  // The same; without a value where none is given.
  template <Worded E>
  void choice(const char* name, std::optional<E>& target, const char* help) {
    Field f = choice_of<E>(name, help, nullptr, {});
    f.show = [&target] { return target ? Json(word_of(*target)) : Json(); };
    f.set = [&target, names = f.words](const Json& v) {
      if (!is_one_of(v, names)) return false;
      target = value_of<E>(v.get_ref<const std::string&>());
      return true;
    };
    field(std::move(f));
  }

  // A value of a form of its own, which `read` checks and takes. It cannot be printed.
  void other(const char* name, const char* expected, const char* help,
             std::function<Status(const Json& value, const std::string& path)> read, Traits traits = {});

  virtual void section(const char* name, const char* help, const std::function<void(Schema&)>& body) = 0;
  // Any number of tables with the same keys; an entry that is a string is a table with that `short_key`.
  virtual void tables(const char* name, const char* short_key, const char* help, std::size_t count,
                      const std::function<void(std::size_t)>& resize,
                      const std::function<void(Schema&, std::size_t)>& body) = 0;

 protected:
  virtual void field(Field field) = 0;

 private:
  template <std::integral T>
  static bool take_integer(const Json& v, T low, T high, T& target) {
    const auto take = [&](auto number) {
      if (std::cmp_less(number, low) || std::cmp_greater(number, high)) return false;
      target = static_cast<T>(number);
      return true;
    };
    if (v.is_number_unsigned()) return take(v.get<std::uint64_t>());
    return v.is_number_integer() && take(v.get<std::int64_t>());
  }

  template <Worded E>
  static Field choice_of(const char* name, const char* help, const char* nothing,
                         std::initializer_list<E> allowed) {
    Field f{.name = name, .help = help, .kind = Field::Kind::kWord, .show = {}};
    if (nothing != nullptr) f.words.push_back(nothing);
    if (allowed.size() == 0)
      for (const Word<E>& word : words(E{})) f.words.push_back(word.text);
    for (const E value : allowed) f.words.push_back(word_of(value));
    return f;
  }

  static bool is_one_of(const Json& value, const std::vector<const char*>& words);
};

// How messages of a kind of source say what a field takes.
struct Wording {
  const char* text = "a string";
  const char* texts = "an array of strings";
  const char* object = "an object";
  const char* range = " from ";  // "an integer from 1 to 16"
  const char* to = " to ";
  const char* words = "one of ";  // "one of nf4, fp4"
  const char* between = ", ";
  const char* quote = "";
};

// "an integer from 1 to 65535", "one of nf4, fp4", "true or false".
std::string expected(const Field& field, const Wording& wording);

// A short description of a value for messages: 'x', 3.5, null, an object.
std::string describe(const Json& value);

}  // namespace preferd
