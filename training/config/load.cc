#include "training/config/load.h"

#include "base/files.h"
#include "base/object_reader.h"
#include "base/schema_text.h"
#include "base/toml.h"
#include "base/utf8.h"
#include "training/config/start.h"

namespace preferd::training {
namespace {

void merge(Json& onto, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    if (value.is_object() && onto.contains(key) && onto[key].is_object())
      merge(onto[key], value);
    else
      onto[key] = value;
  }
}

class ConfigVoice : public ReaderVoice {
 public:
  ConfigVoice() { wording = {.object = "a table", .words = "", .between = "|"}; }

  Error unknown(const std::string& path, const std::string& wrong,
                const std::set<std::string>& known) const override {
    std::string all;
    for (const std::string& key : known) all += (all.empty() ? "" : ", ") + key;
    return invalid(path_under(path, wrong) + " is no key; there are " + all);
  }
};

ReadFaults read(const Json& json, TrainConfig& into) {
  const ConfigVoice voice;
  ReadFaults faults;
  ObjectReader reader(json, "", voice, faults);
  describe(reader, into);
  reader.close();
  return faults;
}

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
      return invalid(path + ": runs." + key + " is " + preferd::describe(value) + ", expected a table");
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
  if (const auto wrong = read(*json, config).first) return invalid(path + ": " + wrong->what);
  return config;
}

std::string to_toml(const TrainConfig& config) {
  TrainConfig copy = config;
  return toml_text([&](Schema& s) { describe(s, copy); });
}

std::string config_help() {
  TrainConfig config;
  return toml_help([&](Schema& s) { describe(s, config); });
}

}  // namespace preferd::training
