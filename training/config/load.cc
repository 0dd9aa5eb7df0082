#include "training/config/load.h"

#include <toml++/toml.h>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "base/files.h"
#include "base/utf8.h"
#include "model/checkpoint/fields.h"
#include "training/config/start.h"

namespace preferd::training {
namespace {

Json to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    for (const auto& [key, value] : *table) out[std::string(key.str())] = to_json(value);
    return out;
  }
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& value : *array) out.push_back(to_json(value));
    return out;
  }
  if (const auto* v = node.as_string()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_boolean()) return v->get();
  std::ostringstream text;
  node.visit([&](const auto& v) {
    if constexpr (toml::is_date<decltype(v)> || toml::is_time<decltype(v)> || toml::is_date_time<decltype(v)>)
      text << v.get();
  });
  return text.str();
}

Result<Json> parse_toml(std::string_view text, const std::string& name) {
  try {
    return to_json(toml::parse(text, name));
  } catch (const toml::parse_error& e) {
    return invalid(name + ":" + std::to_string(e.source().begin.line) + ": " + std::string(e.description()));
  }
}

void merge(Json& onto, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    if (value.is_object() && onto.contains(key) && onto[key].is_object())
      merge(onto[key], value);
    else
      onto[key] = value;
  }
}

// The first of each kind. A misspelt key comes before what may be its consequence.
struct Faults {
  std::optional<Error> unknown, wrong;
};

// Typed fields of one table.
class Reader : public ConfigFields {
 public:
  Reader(const Json& json, std::string path, Faults& faults)
      : json_(json), path_(std::move(path)), faults_(faults) {
    if (!json_.is_object())
      fail(path_ + " is " + preferd::checkpoint::describe(json_) + ", expected a table");
  }

  void section(const char* name, const char*, const std::function<void(ConfigFields&)>& body) override {
    const Json empty = Json::object();
    Reader inner(has(name) ? json_.at(name) : empty, under(name), faults_);
    body(inner);
    inner.close();
  }

  void tables(const char* name, const char* short_key, const char*, std::size_t,
              const std::function<void(std::size_t)>& resize,
              const std::function<void(ConfigFields&, std::size_t)>& body) override {
    if (!has(name)) return;
    const Json& found = json_.at(name);
    const Json list = found.is_array() ? found : Json::array({found});
    resize(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Json entry = list[i].is_string() ? Json{{short_key, list[i]}} : list[i];
      Reader inner(entry, under(name) + "[" + std::to_string(i) + "]", faults_);
      body(inner, i);
      inner.close();
    }
  }

  void text(const char* name, std::string& target, const char*) override {
    if (expect(
            name, [](const Json& v) { return v.is_string(); }, "a string"))
      target = json_.at(name).get<std::string>();
  }

  void texts(const char* name, std::vector<std::string>& target, const char*) override {
    const auto strings = [](const Json& v) {
      return v.is_array() && std::all_of(v.begin(), v.end(), [](const Json& s) { return s.is_string(); });
    };
    if (expect(name, strings, "an array of strings")) target = json_.at(name).get<std::vector<std::string>>();
  }

  void integer(const char* name, std::int64_t& target, std::int64_t low, std::int64_t high,
               const char*) override {
    const auto fits = [&](const Json& v) {
      return v.is_number_integer() && v.get<std::int64_t>() >= low && v.get<std::int64_t>() <= high;
    };
    if (expect(name, fits, "an integer from " + std::to_string(low) + " to " + std::to_string(high)))
      target = json_.at(name).get<std::int64_t>();
  }

  void real(const char* name, double& target, double low, double high, const char*) override {
    const auto fits = [&](const Json& v) {
      return v.is_number() && v.get<double>() >= low && v.get<double>() <= high;
    };
    std::ostringstream range;
    range << "a number from " << low << " to " << high;
    if (expect(name, fits, range.str())) target = json_.at(name).get<double>();
  }

  void toggle(const char* name, bool& target, const char*) override {
    if (expect(
            name, [](const Json& v) { return v.is_boolean(); }, "true or false"))
      target = json_.at(name).get<bool>();
  }

  void object(const char* name, Json& target, const char*) override {
    if (expect(
            name, [](const Json& v) { return v.is_object(); }, "a table"))
      target = json_.at(name);
  }

  void close() {
    if (!json_.is_object()) return;
    std::string known;
    for (const std::string& k : known_) known += (known.empty() ? "" : ", ") + k;
    for (const auto& [key, value] : json_.items())
      if (!known_.contains(key) && !faults_.unknown)
        faults_.unknown = invalid(under(key.c_str()) + " is no key; there are " + known);
  }

 protected:
  void word(const char* name, std::size_t& index, const std::vector<const char*>& words,
            const char*) override {
    std::string expected;
    for (const char* w : words) expected += (expected.empty() ? "" : "|") + std::string(w);
    const auto fits = [&](const Json& v) {
      return v.is_string() && std::any_of(words.begin(), words.end(), [&](const char* w) { return v == w; });
    };
    if (!expect(name, fits, expected)) return;
    while (json_.at(name) != words[index % words.size()]) ++index;
    index %= words.size();
  }

 private:
  bool has(const char* name) {
    known_.insert(name);
    return json_.is_object() && json_.contains(name);
  }

  template <class Fits>
  bool expect(const char* name, Fits fits, const std::string& expected) {
    if (!has(name)) return false;
    if (fits(json_.at(name))) return true;
    fail(under(name) + " is " + preferd::checkpoint::describe(json_.at(name)) + ", expected " + expected);
    return false;
  }

  std::string under(const char* name) const { return path_.empty() ? name : path_ + "." + name; }
  void fail(std::string what) {
    if (!faults_.wrong) faults_.wrong = invalid(std::move(what));
  }

  const Json& json_;
  std::string path_;
  Faults& faults_;
  std::set<std::string> known_;
};

Faults read(const Json& json, TrainConfig& into) {
  Faults faults;
  Reader reader(json, "", faults);
  describe(reader, into);
  reader.close();
  return faults;
}

std::string number(double v) {
  char buffer[64];
  std::string text(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

// JSON's escapes, and one that only TOML asks for.
std::string toml_text(const std::string& text) {
  std::string out;
  for (const char c : Json(text).dump()) out += c == '\x7f' ? std::string("\\u007F") : std::string(1, c);
  return out;
}

std::string toml_value(const Json& v) {
  if (v.is_object()) {
    std::string out;
    for (const auto& [key, value] : v.items())
      out += (out.empty() ? " " : ", ") + toml_text(key) + " = " + toml_value(value);
    return "{" + out + " }";
  }
  if (v.is_array()) {
    std::string out;
    for (const Json& value : v) out += (out.empty() ? "" : ", ") + toml_value(value);
    return "[" + out + "]";
  }
  if (v.is_string()) return toml_text(v.get<std::string>());
  return v.is_number_float() ? number(v.get<double>()) : v.dump();
}

// Prints every key with its value; with kHelp each behind its meaning.
class Printer : public ConfigFields {
 public:
  enum class Style { kToml, kHelp };
  explicit Printer(Style style, std::string path = {}) : style_(style), path_(std::move(path)) {}

  std::string text_so_far() const { return keys_ + sections_; }

  void section(const char* name, const char* help, const std::function<void(ConfigFields&)>& body) override {
    const std::string path = path_.empty() ? name : path_ + "." + name;
    Printer inner(style_, path);
    body(inner);
    sections_ += "\n[" + path + "]" + (style_ == Style::kHelp ? std::string("  # ") + help : "") + "\n" +
                 inner.text_so_far();
  }

  void tables(const char* name, const char*, const char* help, std::size_t count,
              const std::function<void(std::size_t)>& resize,
              const std::function<void(ConfigFields&, std::size_t)>& body) override {
    const std::string path = path_.empty() ? name : path_ + "." + name;
    const bool example = style_ == Style::kHelp && count == 0;
    if (example) resize(1);
    for (std::size_t i = 0; i < count + (example ? 1 : 0); ++i) {
      Printer inner(style_, path);
      body(inner, i);
      sections_ += "\n[[" + path + "]]" + (style_ == Style::kHelp ? std::string("  # ") + help : "") + "\n" +
                   inner.text_so_far();
    }
    if (example) resize(0);
    if (count == 0 && style_ == Style::kToml) line(name, "[]", help);
  }

  void text(const char* name, std::string& v, const char* help) override { line(name, toml_text(v), help); }
  void texts(const char* name, std::vector<std::string>& v, const char* help) override {
    line(name, toml_value(Json(v)), help);
  }
  void integer(const char* name, std::int64_t& v, std::int64_t, std::int64_t, const char* help) override {
    line(name, std::to_string(v), help);
  }
  void real(const char* name, double& v, double, double, const char* help) override {
    line(name, number(v), help);
  }
  void toggle(const char* name, bool& v, const char* help) override {
    line(name, v ? "true" : "false", help);
  }
  void object(const char* name, Json& v, const char* help) override {
    line(name, toml_value(v.is_null() ? Json::object() : v), help);
  }

 protected:
  void word(const char* name, std::size_t& index, const std::vector<const char*>& words,
            const char* help) override {
    std::string all;
    for (const char* w : words) all += (all.empty() ? "" : "|") + std::string(w);
    line(name, Json(words[index]).dump(), style_ == Style::kHelp ? all + ": " + help : help);
  }

 private:
  void line(const char* name, const std::string& value, const std::string& help) {
    std::string out = std::string(name) + " = " + value;
    if (style_ == Style::kHelp) {
      if (out.size() < 34) out.resize(34, ' ');
      out += "  # " + help;
    }
    keys_ += out + "\n";
  }

  Style style_;
  std::string path_, keys_, sections_;
};

Result<Json> pick_run(Json file, const std::string& path, const std::string& run) {
  if (!file.contains("defaults") && !file.contains("runs")) {
    if (run.empty()) return file;
    return invalid(path + ": has no [runs." + run + "]; it is one run without a name");
  }
  for (const auto& [key, value] : file.items())
    if ((key != "defaults" && key != "runs") || !value.is_object())
      return invalid(path + ": '" + key + "' stands outside of [defaults] and [runs.NAME]");
  Json out = file.value("defaults", Json::object());
  const Json runs = file.value("runs", Json::object());
  std::string names;
  for (const auto& [key, value] : runs.items()) {
    if (!value.is_object())
      return invalid(path + ": runs." + key + " is " + preferd::checkpoint::describe(value) +
                     ", expected a table");
    names += (names.empty() ? "" : ", ") + key;
  }
  if (run.empty()) {
    if (runs.size() > 1) return invalid(path + ": has several runs, --run names one of " + names);
    if (runs.size() == 1) merge(out, runs.begin().value());
    return out;
  }
  if (!runs.contains(run))
    return invalid(path + ": has no [runs." + run + "]" + (names.empty() ? "" : "; there are " + names));
  merge(out, runs.at(run));
  return out;
}

Status apply(Json& json, const std::string& override_text) {
  const std::size_t equals = override_text.find('=');
  if (!utf8::valid(override_text)) return invalid("an argument key=value is not UTF-8");
  if (equals == std::string::npos || equals == 0)
    return invalid("argument '" + override_text + "' is no key=value");
  const std::string key = override_text.substr(0, equals), value = override_text.substr(equals + 1);
  auto parsed = parse_toml("v = " + value, "key=value");
  Json* at = &json;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = key.find('.', begin)) != std::string::npos; begin = dot + 1) {
    at = &(*at)[key.substr(begin, dot - begin)];
    if (!at->is_null() && !at->is_object())
      return invalid("argument '" + override_text + "': " + key.substr(0, dot) + " is no table");
  }
  (*at)[key.substr(begin)] = parsed ? (*parsed)["v"] : Json(value);
  return Ok{};
}

}  // namespace

Result<TrainConfig> load_config(const std::string& path, const std::string& run,
                                const std::vector<std::string>& overrides) {
  const auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  auto file = parse_toml(bytes->text(), path);
  if (!file) return file.error();
  auto json = pick_run(std::move(*file), path, run);
  if (!json) return json.error();
  for (const std::string& text : overrides)
    if (const Status s = apply(*json, text); !s) return s.error();
  TrainConfig config;
  if (const auto unknown = read(*json, config).unknown) return invalid(path + ": " + unknown->what);
  if (const Status s = take_over_start(*json); !s) return invalid(path + ": " + s.error().what);
  config = {};
  if (const auto wrong = read(*json, config).wrong) return invalid(path + ": " + wrong->what);
  return config;
}

std::string to_toml(const TrainConfig& config) {
  TrainConfig copy = config;
  Printer printer(Printer::Style::kToml);
  describe(printer, copy);
  return printer.text_so_far();
}

std::string config_help() {
  TrainConfig config;
  Printer printer(Printer::Style::kHelp);
  describe(printer, config);
  return printer.text_so_far();
}

}  // namespace preferd::training
