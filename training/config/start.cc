#include "training/config/start.h"

#include <filesystem>

#include "model/checkpoint/fields.h"
#include "model/default/default_package.h"
#include "training/config/start_adapter.h"
#include "training/config/start_head.h"

namespace preferd::training {
namespace {

constexpr const char* kFormat = "preferd-package/1";

// Keys that training makes, or that say who a package is.
constexpr const char* kOwn[] = {"format", "name", "revision", "adapter", "adapters", "golden", "calibration"};

Json text_at(const Json& table, const char* key) {
  return table.is_object() && table.contains(key) && table.at(key).is_string() ? table.at(key) : Json("");
}

bool differ(const Json& a, const Json& b, const char* key) {
  return a.contains(key) && b.contains(key) && a.at(key) != b.at(key);
}

// `from` over `onto`, key by key. Other modes and schemes have other keys: such tables are replaced whole.
void merge(Json& onto, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    const bool tables = value.is_object() && onto.contains(key) && onto.at(key).is_object();
    const bool other =
        tables && (differ(value, onto.at(key), "mode") || differ(value, onto.at(key), "scheme"));
    if (tables && !other)
      merge(onto[key], value);
    else
      onto[key] = value;
  }
}

bool has_several(const Json& package) {
  return package.contains("adapters") && package.at("adapters").is_array() && !package.at("adapters").empty();
}

// The folder of the first adapter; null: the package has none.
Result<std::shared_ptr<const Files>> adapter_of(const Files& files, const Json& package) {
  const Json one = has_several(package) ? package.at("adapters").front() : package.value("adapter", Json());
  const Json path = text_at(one, "path");
  if (path == "") return std::shared_ptr<const Files>();
  return files.folder(path.get<std::string>());
}

// What a configuration could have said to make the start's package.
Json as_configured(const Json& package, const std::string& start) {
  Json out = package;
  if (has_several(package) && package.at("adapters").front().contains("head"))
    out["head"] = package.at("adapters").front().at("head");
  for (const char* key : kOwn) out.erase(key);
  if (out.contains("head") && out["head"].is_object()) out["head"].erase("file");
  const auto absolute = [&](const std::string& path) {
    return std::filesystem::absolute(std::filesystem::path(start) / path).lexically_normal().string();
  };
  if (const auto file = text_at(out.value("input", Json()), "chat_template"); file != "")
    out["input"]["chat_template"] = absolute(file.get<std::string>());
  const auto base = text_at(out.value("base", Json()), "path").get<std::string>();
  if (start == kEmbedded)
    out["base"]["path"] = kEmbedded;
  else if (!base.empty())
    out["base"]["path"] = absolute(base);
  return out;
}

Json base_config_of(const Files& files, const std::string& path) {
  const auto folder = path.starts_with('/') ? open_directory(path, Links::kAnywhere) : files.folder(path);
  if (!folder) return nullptr;
  const auto config = checkpoint::read_json_object(**folder, "config.json");
  return config ? *config : Json();
}

Status take_over_package(const Files& files, const std::string& start, const Json& package, Json& config) {
  StartPackage from{start, as_configured(package, start), nullptr};
  const Json given = config.value("package", Json::object());
  from.base_config = base_config_of(files, text_at(package.value("base", Json()), "path").get<std::string>());
  if (const Status s = check_against_start(given, from); !s) return s.error();
  merge(from.package, given);
  config["package"] = std::move(from.package);
  return Ok{};
}

bool are_tables(const Json& config) {
  for (const char* key : {"package", "adapter"})
    if (config.contains(key) && !config.at(key).is_object()) return false;
  return true;
}

Status take_over(const std::string& start, Json& config) {
  const auto files = open_start(start);
  if (!files) {
    const bool has_package = config.contains("package") && !config.at("package").empty();
    return has_package ? Status(Ok{}) : invalid("start: " + files.error().what);
  }
  Json adapter = config.value("adapter", Json::object());
  if ((*files)->exists("adapter_config.json")) {
    if (const Status s = take_over_adapter(**files, start, adapter); !s) return s.error();
    config["adapter"] = std::move(adapter);
    return Ok{};
  }
  const auto package = checkpoint::read_json_object(**files, "package.json");
  if (!package)
    return invalid("start " + start + ": is neither a package nor a PEFT adapter: " + package.error().what);
  if (const Json format = text_at(*package, "format"); format != kFormat)
    return invalid("start " + start + ": package.format is " + format.dump() + ", expected " + kFormat +
                   ": name a member's folder");
  if (const Status s = take_over_package(**files, start, *package, config); !s) return s.error();
  const auto folder = adapter_of(**files, *package);
  if (!folder) return invalid("start " + start + ": " + folder.error().what);
  if (!*folder) return Ok{};
  if (const Status s = take_over_adapter(**folder, start, adapter); !s) return s.error();
  config["adapter"] = std::move(adapter);
  return Ok{};
}

}  // namespace

Result<std::shared_ptr<const Files>> open_start(const std::string& start) {
  return start == kEmbedded ? embedded::default_package() : open_directory(start);
}

Status take_over_start(Json& config) {
  if (const auto start = text_at(config, "start").get<std::string>(); !start.empty() && are_tables(config))
    if (const Status s = take_over(start, config); !s) return s.error();
  const Json base = config.contains("package") && config.at("package").is_object()
                        ? config.at("package").value("base", Json())
                        : Json();
  if (text_at(base, "path") == kEmbedded && !config.contains("copy_base")) config["copy_base"] = true;
  return Ok{};
}

}  // namespace preferd::training
