// rope_theta, rope_scaling and rope_parameters of config.json, as transformers reads them.
#include <algorithm>
#include <cmath>

#include "model/layers/rope.h"

namespace preferd::layers {
namespace {

constexpr std::int64_t kMax = std::int64_t{1} << 30;

// What a scaling needs from beside its object.
class Scaling {
 public:
  Scaling(checkpoint::Fields& config, checkpoint::Fields& rope, const RopeDefaults& defaults, RopeConfig& out)
      : config_(config), rope_(rope), defaults_(defaults), out_(out) {}

  void read() {
    const std::string type = rope_.text_or("rope_type", rope_.text_or("type", "default"));
    if (type == "longrope" || std::ranges::find(defaults_.long_names, type) != defaults_.long_names.end())
      read_long();
    else if (type == "linear")
      read_linear();
    else if (type == "dynamic")
      read_dynamic();
    else if (type == "llama3")
      read_llama3();
    else if (type == "yarn")
      read_yarn();
    else if (type != "default")
      rope_.fail("rope_type '" + type +
                 "' is not supported; known are default, linear, dynamic, llama3, yarn, longrope");
    if (!(out_.factor > 0)) rope_.fail("factor is not above 0");
  }

 private:
  void read_linear() {
    out_.scaling = RopeConfig::Scaling::kLinear;
    out_.factor = rope_.number("factor");
  }

  void read_dynamic() {
    out_.scaling = RopeConfig::Scaling::kDynamic;
    out_.factor = rope_.number("factor");
    out_.longest = config_.integer("max_position_embeddings", 1, kMax);
  }

  void read_llama3() {
    out_.scaling = RopeConfig::Scaling::kLlama3;
    out_.factor = rope_.number("factor");
    out_.low_freq_factor = rope_.number("low_freq_factor");
    out_.high_freq_factor = rope_.number("high_freq_factor");
    out_.original_max_positions = original();
  }

  void read_yarn() {
    out_.scaling = RopeConfig::Scaling::kYarn;
    out_.original_max_positions = original();
    read_factor();
    const double scale = rope_.number_or("mscale", 0), all = rope_.number_or("mscale_all_dim", 0);
    const bool both = scale != 0 && all != 0;
    out_.attention_factor =
        rope_.positive_or("attention_factor", both ? stretched(scale) / stretched(all) : stretched(1));
    const double fast = rope_.number_or("beta_fast", 0), slow = rope_.number_or("beta_slow", 0);
    if (fast != 0) out_.beta_fast = fast;
    if (slow != 0) out_.beta_slow = slow;
    if (!(out_.beta_fast > 0 && out_.beta_slow > 0)) rope_.fail("beta_fast or beta_slow is below 0");
    out_.truncate = rope_.boolean_or("truncate", true);
    if (out_.theta == 1) rope_.fail("rope_theta is 1, expected another with rope_type 'yarn'");
  }

  void read_long() {
    out_.scaling = RopeConfig::Scaling::kLong;
    out_.original_max_positions = original();
    read_factor();
    const double longer =
        out_.factor <= 1 ? 0 : std::log(out_.factor) / std::log(out_.original_max_positions);
    out_.attention_factor = rope_.positive_or("attention_factor", std::sqrt(1 + longer));
    out_.short_factors = factors("short_factor");
    out_.long_factors = factors("long_factor");
  }

  std::vector<double> factors(const char* key) {
    std::vector<double> out;
    if (!rope_.has(key)) {
      rope_.fail(std::string(key) + " is missing");
      return out;
    }
    const Json& given = rope_.json()[key];
    for (const Json& factor : given.is_array() ? given : Json::array({given})) {
      out.push_back(factor.is_number() ? factor.get<double>() : 0);
      if (!(out.back() > 0))
        rope_.fail(std::string(key) + " has " + describe(factor) + ", expected an array of numbers above 0");
    }
    return out;
  }

  // Beside the object, where Phi-3 has it, it counts more; without any it is the present length.
  double original() {
    constexpr const char* kOriginal = "original_max_position_embeddings";
    if (!config_.has(kOriginal) && defaults_.original > 0) return defaults_.original;
    const bool beside = config_.has(kOriginal) || !rope_.has(kOriginal);
    checkpoint::Fields& from = beside ? config_ : rope_;
    const char* key = from.has(kOriginal) ? kOriginal : "max_position_embeddings";
    const double length = from.number(key);
    if (!(length > 1)) from.fail(std::string(key) + " is not above 1");
    return length;
  }

  // Without one, by how much the length grew.
  void read_factor() {
    out_.factor = rope_.has("factor")
                      ? rope_.number("factor")
                      : config_.number("max_position_embeddings") / out_.original_max_positions;
  }

  double stretched(double scale) const {
    return out_.factor <= 1 ? 1 : 0.1 * scale * std::log(out_.factor) + 1;
  }

  checkpoint::Fields &config_, &rope_;
  const RopeDefaults& defaults_;
  RopeConfig& out_;
};

}  // namespace

void check_rope(checkpoint::Fields& config, const RopeConfig& rope, std::int64_t head_dim) {
  const std::int64_t dim = rotary_dim(rope, head_dim);
  if (dim > head_dim) config.fail("head_dim is odd, rotary positions need pairs");
  if (dim < 2) config.fail("head_dim is " + std::to_string(head_dim) + ", of which no value is rotated");
  if (rope.scaling != RopeConfig::Scaling::kLong) return;
  for (const auto& [key, factors] :
       {std::pair{"short_factor", &rope.short_factors}, std::pair{"long_factor", &rope.long_factors}})
    if (static_cast<std::int64_t>(factors->size()) != dim / 2)
      config.fail(std::string(key) + " of longrope has " + std::to_string(factors->size()) +
                  " numbers, expected half of the " + std::to_string(dim) + " rotated values of a head");
}

RopeConfig read_rope(checkpoint::Fields& config, const RopeDefaults& defaults) {
  RopeConfig out;
  out.theta = config.number_or(defaults.theta_key, defaults.theta);
  out.rotated = config.number_or(defaults.rotated_key, defaults.rotated.value_or(1));
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    if (!config.has(key)) continue;
    const Json& object = config.json()[key];
    if (!object.is_object()) {
      config.fail(std::string(key) + " is " + describe(object) + ", expected an object");
      continue;
    }
    if (object.empty()) continue;
    checkpoint::Fields rope(object, key);
    out.theta = rope.number_or("rope_theta", out.theta);
    out.rotated = rope.number_or("partial_rotary_factor", out.rotated);
    Scaling(config, rope, defaults, out).read();
    const Status status = rope.status();
    if (!status) config.fail(status.error().what);
    break;
  }
  if (!(out.theta > 0)) config.fail(std::string(defaults.theta_key) + " is not above 0");
  if (!defaults.rotated && out.rotated != 1)
    config.fail(std::string(defaults.rotated_key) + " is not supported, expected 1");
  if (!(out.rotated > 0 && out.rotated <= 1))
    config.fail(std::string(defaults.rotated_key) + " is not above 0 and at most 1");
  return out;
}

}  // namespace preferd::layers
