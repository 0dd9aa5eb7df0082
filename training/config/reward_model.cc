#include "training/config/reward_model.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "base/files.h"
#include "model/checkpoint/fields.h"
#include "model/convert/manifest_template.h"
#include "model/convert/published_head.h"
#include "model/scorer/model_shape.h"
#include "training/config/tables.h"

namespace preferd::training {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kTokens = 1024;  // as RewardConfig.max_length

// Ends of the names of the body's linears in its layers: "q_proj".
Json all_linears(const scorer::ModelShape& shape) {
  std::set<std::string> ends;
  for (const checkpoint::Declared& d : shape.tensors) {
    if (d.role != checkpoint::Role::kLinear) continue;
    const std::string module = d.name.substr(0, d.name.rfind('.'));
    ends.insert(module.substr(module.rfind('.') + 1));
  }
  return ends;
}

Result<Json> package_of(const Files& base, const std::string& name, const scorer::ModelShape& shape) {
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  const std::int64_t positions =
      fields.integer_or("max_position_embeddings", kTokens, 1, std::int64_t{1} << 30);
  if (const Status s = fields.status(); !s) return s.error();
  convert::OrderedJson head = {
      {"pooling", "last"},
      {"layers", {{{"type", "linear"}, {"in", shape.width}, {"out", 1}, {"bias", false}}}},
      {"output", "difference"}};
  if (const Status s = convert::add_skipped_token(base, head); !s) return s.error();
  Json package = {{"name", name},
                  {"base", {{"path", base.name()}}},
                  {"input", {{"layout", "conversation"}, {"max_tokens", std::min(positions, kTokens)}}},
                  {"head", Json(head)}};
  const auto quantization = convert::stored_quantization(base);
  if (!quantization) return quantization.error();
  if (!quantization->is_null()) package["quantization"] = Json(*quantization);
  return package;
}

Result<Json> defaults_of(const std::string& path) {
  std::error_code ec;
  const fs::path real = fs::canonical(path, ec);
  if (ec) return invalid("base is '" + path + "', expected a model directory on this disk");
  const auto base = open_directory(real.string(), Links::kAnywhere);
  if (!base) return invalid("base: " + base.error().what);
  const auto shape = scorer::base_shape(**base);
  if (!shape) return invalid("base: " + shape.error().what);
  const std::string name = real.filename().string() + "-reward";
  const auto package = package_of(**base, name, *shape);
  if (!package) return invalid("base: " + package.error().what);
  return Json{{"output", "runs/" + name},
              {"huggingface", true},
              {"package", *package},
              {"adapter", {{"targets", all_linears(*shape)}}},
              {"data", {{"valid_share", 0.05}}}};
}

const Json& at(const Json& table, const char* key) {
  static const Json nothing;
  return table.is_object() && table.contains(key) ? table.at(key) : nothing;
}

}  // namespace

Status take_over_base(Json& config) {
  const Json& base = at(config, "base");
  if (!base.is_string() || base.get<std::string>().empty()) return Ok{};
  if (const Json& start = at(config, "start"); !start.is_null() && start != "")
    return invalid("base and start are both set, expected one: a start has its own base");
  auto defaults = defaults_of(base.get<std::string>());
  if (!defaults) return defaults.error();
  const Json& own = (*defaults)["package"]["base"]["path"];
  if (const Json& path = at(at(at(config, "package"), "base"), "path"); !path.is_null() && path != own)
    return invalid("base is " + own.get<std::string>() + " and package.base.path another, expected one");
  if (const Json& layout = at(at(at(config, "package"), "input"), "layout");
      !layout.is_null() && layout != "conversation")
    (*defaults)["package"].erase("input");
  if (!at(at(config, "data"), "valid").is_null()) (*defaults)["data"].erase("valid_share");
  overlay(*defaults, config);
  config = std::move(*defaults);
  return Ok{};
}

}  // namespace preferd::training
