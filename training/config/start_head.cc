#include "training/config/start_head.h"

#include <array>
#include <filesystem>
#include <utility>

#include "base/files.h"
#include "model/checkpoint/fields.h"

namespace preferd::training {
namespace {

constexpr std::size_t kShown = 160;

std::string shown(const Json& value) {
  if (value.is_null()) return "none";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kShown) text = text.substr(0, kShown - 3) + "...";
  return text;
}

// The keys of a head that say what its tensors are and mean, with their defaults.
const std::array<std::pair<const char*, Json>, 7> kHeadKeys = {{{"output", nullptr},
                                                                {"layers", Json::array()},
                                                                {"feature_projection", nullptr},
                                                                {"pooling", "last"},
                                                                {"l2_normalize", false},
                                                                {"layer_norm", false},
                                                                {"tokens", Json::array()}}};

// With defaults filled in, and without what changes no tensor.
Json plain(Json value) {
  if (value.is_object() && value.contains("out") && !value.contains("type")) {  // a feature projection
    if (!value.contains("activation")) value["activation"] = "none";
    if (!value.contains("l2_normalize")) value["l2_normalize"] = false;
  }
  if (!value.is_array()) return value;
  for (Json& layer : value) {
    if (!layer.is_object()) continue;
    if (layer.value("type", Json()) == "dropout") layer.erase("p");
    if (layer.value("type", Json()) == "linear" && !layer.contains("bias")) layer["bias"] = true;
  }
  return value;
}

Json at_or(const Json& table, const char* key, const Json& fallback) {
  return table.is_object() && table.contains(key) ? table.at(key) : fallback;
}

Status check_table(const Json& given, const StartPackage& start, const char* table, const char* key,
                   const Json& fallback) {
  if (!given.contains(table) || !given.at(table).is_object() || !given.at(table).contains(key)) return Ok{};
  const Json& says = given.at(table).at(key);
  const Json has = at_or(at_or(start.package, table, Json::object()), key, fallback);
  if (plain(says) == plain(has)) return Ok{};
  return contradiction("package." + std::string(table) + "." + key, says, start.name, has);
}

// Layers that are built.
Json depth(const Json& base_config, const Json& base) {
  const Json all = at_or(base_config, "num_hidden_layers", nullptr),
             most = at_or(base, "max_layers", nullptr);
  if (!all.is_number_integer() || !most.is_number_integer()) return all;
  return std::min(all.get<std::int64_t>(), most.get<std::int64_t>());
}

Status check_base(const Json& given, const StartPackage& start) {
  if (start.base_config.is_null() || !given.contains("base") || !given.at("base").is_object()) return Ok{};
  const Json& base = given.at("base");
  const Json own = at_or(start.package, "base", Json::object());
  Json config = start.base_config;
  std::string where = "package.base.max_layers";
  if (base.contains("path") && base.at("path").is_string()) {
    const auto path = base.at("path").get<std::string>();
    where = "package.base.path " + path;
    if (const auto files = open_directory(path, Links::kAnywhere))
      if (const auto found = checkpoint::read_json_object(**files, "config.json")) config = *found;
  }
  for (const char* key : {"model_type", "hidden_size", "intermediate_size"})
    if (const Json says = at_or(config, key, nullptr), has = at_or(start.base_config, key, nullptr);
        says != has)
      return contradiction(where + ": " + key, says, start.name, has);
  Json merged = own;
  merged.update(base);
  if (const Json says = depth(config, merged), has = depth(start.base_config, own); says != has)
    return contradiction(where + ": the number of layers", says, start.name, has);
  return Ok{};
}

}  // namespace

Error contradiction(const std::string& key, const Json& found, const std::string& start, const Json& has) {
  return invalid(key + " is " + shown(found) + ", start " + start + " has " + shown(has) +
                 ", which its tensors are made for; leave the key out, or start from something else");
}

Status check_against_start(const Json& given, const StartPackage& start) {
  if (const Status s = check_base(given, start); !s) return s.error();
  if (const Status s = check_table(given, start, "input", "layout", nullptr); !s) return s.error();
  if (const Status s = check_table(given, start, "features", "set", "none"); !s) return s.error();
  if (const Status s = check_table(given, start, "features", "scaling", "none"); !s) return s.error();
  for (const auto& [key, fallback] : kHeadKeys)
    if (const Status s = check_table(given, start, "head", key, fallback); !s) return s.error();
  return Ok{};
}

}  // namespace preferd::training
