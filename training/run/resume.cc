#include "training/run/resume.h"

#include "base/files.h"
#include "base/json.h"
#include "training/config/difference.h"
#include "training/config/load.h"
#include "training/run/prepare.h"

namespace preferd::training {
namespace {

constexpr std::size_t kShownKeys = 4, kShownValue = 100;

std::string shown(const std::string& value) {
  return value.size() > kShownValue ? value.substr(0, kShownValue - 3) + "..." : value;
}

std::string counts(const Json& file) {
  const auto n = [&](const char* side) { return file.value(side, std::int64_t{0}); };
  return std::to_string(n("train")) + " to train on and " + std::to_string(n("valid")) + " to validate";
}

// "a.jsonl (486 to train on and 0 to validate, now 480 ...)"
std::string change(const Json& was, const Json& is) {
  const std::string name = is.value("file", "");
  return counts(was) == counts(is) ? name + " (as many rows, with different texts or labels)"
                                   : name + " (was " + counts(was) + ", is " + counts(is) + ")";
}

}  // namespace

Status check_configuration(const RunDirectory& run, const TrainConfig& config) {
  const std::string path = run.path("config.toml");
  const auto stored = load_config(path, "", {});
  if (!stored)
    return Ok{};  // perhaps from another version: the identity of the run says whether it is the same
  const auto found = differences(comparable(config), comparable(*stored));
  if (found.empty()) return Ok{};
  std::string keys;
  for (std::size_t i = 0; i < std::min(found.size(), kShownKeys); ++i)
    keys +=
        (i == 0 ? "" : "; ") + found[i].key + " is " + shown(found[i].one) + ", was " + shown(found[i].other);
  if (found.size() > kShownKeys) keys += "; and " + std::to_string(found.size() - kShownKeys) + " more";
  return invalid(keys + ": a run is resumed with the configuration that it began with (" + path +
                 "); expected the same values, or another output");
}

Error other_rows(const RunDirectory& run, const TrainConfig& config, const Dataset& data) {
  const std::string path = run.path("rows.json");
  std::string changed;
  Json was, is = Json::parse(rows_text(config, data));
  if (const auto bytes = map_file(path))
    if (auto json = parse_json(bytes->text()); json && json->is_array() && json->size() == is.size())
      was = std::move(*json);
  for (std::size_t i = 0; i < was.size(); ++i)
    if (was[i].is_object() && was[i].value("sha256", Json()) != is[i]["sha256"])
      changed += (changed.empty() ? "" : ", ") + change(was[i], is[i]);
  return invalid("data: " +
                 (changed.empty() ? std::string("the rows are not those that the run began with")
                                  : "the rows are not those that the run began with: " + changed) +
                 "; expected the same rows, or another output");
}

}  // namespace preferd::training
