// package.json, format preferd-package/1: what a model package is made of. Unknown keys, wrong types and
// combinations that cannot be served are refused; nothing is guessed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "base/result.h"
#include "features/arena.h"
#include "model/checkpoint/weights.h"
#include "model/package/head_spec.h"
#include "model/text/input.h"

namespace preferd::package {

struct FeatureSpec {
  features::FeatureSet set = features::FeatureSet::kNone;
  bool standardize = false;
  std::string file = "features.safetensors";
};

struct AdapterSpec {
  std::string name;                 // "default" when there is only one, or none
  std::optional<std::string> path;  // absent: the bare base
  HeadSpec head;
};

// Mean and deviation of the rewards in training, as the published config has them: for people, not applied.
struct RewardScale {
  double mean = 0, std = 1;
};

struct Manifest {
  std::string name, revision;
  std::string base_path;  // relative to the package, or absolute
  std::optional<std::int64_t> max_layers;
  std::optional<std::int32_t> second_type_after;  // in families with token types: see families::BodyOptions
  checkpoint::Quantization quantization;
  std::vector<AdapterSpec> adapters;  // at least one; the first is the default
  text::InputSpec input;
  FeatureSpec features;
  double temperature = 1;
  std::optional<RewardScale> reward;
  std::optional<std::string> golden;
  std::string digest;  // SHA-256 of package.json, hexadecimal

  Output output() const { return adapters.front().head.output; }
};

Result<Manifest> read_manifest(const Files& package);

// The same from the value that the file holds; without a digest.
Result<Manifest> parse_manifest(const Json& json);

// The base model's directory: inside the package, or wherever an absolute path says.
Result<std::shared_ptr<const Files>> open_base(const Files& package, const Manifest& manifest);
Result<std::shared_ptr<const Files>> open_base(const std::string& absolute_path);

// Width of the feature rows that heads read: 0, 63 or 41.
std::int64_t feature_columns(const Manifest& manifest);

}  // namespace preferd::package
