#include "training/config/load.h"

#include <algorithm>

#include "base/files.h"
#include "base/object_reader.h"
#include "base/schema_text.h"
#include "base/toml.h"
#include "base/utf8.h"
#include "training/config/reward_model.h"
#include "training/config/start.h"
#include "training/config/tables.h"

namespace preferd::training {
namespace {

class ConfigVoice : public ReaderVoice {
 public:
  ConfigVoice() { wording = {.object = "a table", .words = "", .between = "|"}; }

  Error unknown(const std::string& path, const std::string& wrong,
                const std::set<std::string>& known) const override {
    std::string all;
    for (const std::string& key : known) all += (all.empty() ? "" : ", ") + key;
    return invalid(path_under(path, wrong) + " is not a key; there are " + all);
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

// Values, and in the same places of `origins` the texts that say where each comes from.
struct Sourced {
  Json values = Json::object(), origins = Json::object();
};

// The tables of `value`, with `origin` in place of what stands in them.
Json origins_of(const Json& value, const std::string& origin) {
  if (!value.is_object()) return origin;
  Json out = Json::object();
  for (const auto& [key, inner] : value.items()) out[key] = origins_of(inner, origin);
  return out;
}

void merge(Sourced& onto, const Json& values, const std::string& origin) {
  overlay(onto.values, values);
  overlay(onto.origins, origins_of(values, origin));
}

Result<Sourced> pick_run(const Json& file, const std::string& path, const std::string& run) {
  Sourced out;
  if (!file.contains("defaults") && !file.contains("runs")) {
    if (!run.empty() && path.empty())
      return invalid("--run " + run + " names a run of a file, and there is no --config");
    if (!run.empty()) return invalid(path + ": has no [runs." + run + "]; it is one run without a name");
    merge(out, file, path);
    return out;
  }
  for (const auto& [key, value] : file.items())
    if ((key != "defaults" && key != "runs") || !value.is_object())
      return invalid(path + ": '" + key + "' stands outside of [defaults] and [runs.NAME]");
  merge(out, file.value("defaults", Json::object()), path + ": [defaults]");
  const Json runs = file.value("runs", Json::object());
  std::string names;
  for (const auto& [key, value] : runs.items()) {
    if (!value.is_object())
      return invalid(path + ": runs." + key + " is " + preferd::describe(value) + ", expected a table");
    names += (names.empty() ? "" : ", ") + key;
  }
  if (run.empty() && runs.size() > 1)
    return invalid(path + ": has several runs, --run names one of " + names);
  if (run.empty() && runs.empty()) return out;
  const std::string name = run.empty() ? runs.begin().key() : run;
  if (!runs.contains(name))
    return invalid(path + ": has no [runs." + name + "]" + (names.empty() ? "" : "; there are " + names));
  merge(out, runs.at(name), path + ": [runs." + name + "]");
  return out;
}

// Null: what stands above the key is not a table; `at` is then its path.
Json* find_or_make(Json& json, const std::string& key, std::string& at) {
  Json* place = &json;
  std::size_t begin = 0;
  for (std::size_t dot; (dot = key.find('.', begin)) != std::string::npos; begin = dot + 1) {
    place = &(*place)[key.substr(begin, dot - begin)];
    at = key.substr(0, dot);
    if (!place->is_null() && !place->is_object()) return nullptr;
  }
  return &(*place)[key.substr(begin)];
}

Status apply(Sourced& config, const std::string& override_text) {
  const std::size_t equals = override_text.find('=');
  if (!utf8::valid(override_text)) return invalid("an argument key=value is not UTF-8");
  if (equals == std::string::npos || equals == 0)
    return invalid("argument '" + override_text + "' is not key=value");
  std::string key = override_text.substr(0, equals);
  const std::string value = override_text.substr(equals + 1);
  const auto parsed = parse_toml("v = " + value, "key=value");
  const bool files = key == "data" && (!parsed || !(*parsed)["v"].is_object());
  if (files) key = "data.train";
  std::string at;
  Json* const place = find_or_make(config.values, key, at);
  if (place == nullptr) return invalid("argument '" + override_text + "': " + at + " is not a table");
  *place = parsed ? (*parsed)["v"] : Json(value);
  if (files && place->is_string()) *place = Json::array({*place});
  *find_or_make(config.origins, key, at) = origins_of(*place, "argument KEY=VALUE");
  return Ok{};
}

// What the start or the base gave beside what was said: all that has no origin yet.
void add_origins_of_start(Sourced& config) {
  const char* const from = config.values.contains("base") ? "base" : "start";
  Json origins = origins_of(config.values, from + (" " + config.values.value(from, std::string())));
  if (origins.contains("copy_base")) origins["copy_base"] = "the embedded base";
  const auto take = [](const auto& self, Json& onto, const Json& said) -> void {
    for (auto& [key, value] : onto.items()) {
      if (!said.contains(key)) continue;
      if (value.is_object() && said.at(key).is_object())
        self(self, value, said.at(key));
      else if (!value.is_object())
        value = said.at(key);
    }
  };
  take(take, origins, config.origins);
  config.origins = std::move(origins);
}

struct LoadedConfig {
  TrainConfig config;
  Json origins;
};

Result<Json> read_file(const std::string& path) {
  if (path.empty()) return Json(Json::object());
  const auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  return parse_toml(bytes->text(), path);
}

Result<LoadedConfig> load(const std::string& path, const std::string& run,
                          const std::vector<std::string>& overrides) {
  const auto file = read_file(path);
  if (!file) return file.error();
  auto found = pick_run(*file, path, run);
  if (!found) return found.error();
  for (const std::string& text : overrides)
    if (const Status s = apply(*found, text); !s) return s.error();
  const std::string where = path.empty() ? "" : path + ": ";
  TrainConfig config;
  if (const auto unknown = read(found->values, config).unknown) return invalid(where + unknown->what);
  if (const Status s = take_over_base(found->values); !s) return invalid(where + s.error().what);
  if (const Status s = take_over_start(found->values); !s) return invalid(where + s.error().what);
  config = {};
  if (const auto wrong = read(found->values, config).first) return invalid(where + wrong->what);
  add_origins_of_start(*found);
  return LoadedConfig{std::move(config), std::move(found->origins)};
}

// All that stand in a table, each once, in the order of its keys.
void collect(const Json& origins, std::vector<std::string>& into) {
  if (origins.is_object())
    for (const auto& [key, inner] : origins.items()) collect(inner, into);
  else if (const auto text = origins.get<std::string>();
           std::find(into.begin(), into.end(), text) == into.end())
    into.push_back(text);
}

// `key`: "loop.epochs".
std::string origin_of(const Json& origins, const std::string& key) {
  const Json* at = &origins;
  std::size_t begin = 0;
  for (std::size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = key.find('.', begin);
    const auto name = key.substr(begin, end - begin);
    if (!at->is_object() || !at->contains(name)) return "default";
    at = &at->at(name);
  }
  std::vector<std::string> all;
  collect(*at, all);
  std::string out;
  for (const std::string& origin : all) out += (out.empty() ? "" : "; ") + origin;
  return out.empty() ? "default" : out;
}

}  // namespace

Result<TrainConfig> load_config(const std::string& path, const std::string& run,
                                const std::vector<std::string>& overrides) {
  auto loaded = load(path, run, overrides);
  if (!loaded) return loaded.error();
  return std::move(loaded->config);
}

Result<std::string> config_with_origins(const std::string& path, const std::string& run,
                                        const std::vector<std::string>& overrides) {
  auto loaded = load(path, run, overrides);
  if (!loaded) return loaded.error();
  return toml_text([&](Schema& s) { describe(s, loaded->config); },
                   [&](const std::string& key) { return origin_of(loaded->origins, key); });
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
