// rope_theta, rope_scaling and rope_parameters of config.json, as transformers reads them.
#include <cmath>

#include "model/layers/rope.h"

namespace preferd::layers {
namespace {

constexpr std::int64_t kMax = std::int64_t{1} << 30;

// What a scaling needs from beside its object.
class Scaling {
 public:
  Scaling(checkpoint::Fields& config, checkpoint::Fields& rope, RopeConfig& out)
      : config_(config), rope_(rope), out_(out) {}

  void read() {
    const std::string type = rope_.text_or("rope_type", rope_.text_or("type", "default"));
    if (type == "linear")
      read_linear();
    else if (type == "dynamic")
      read_dynamic();
    else if (type == "llama3")
      read_llama3();
    else if (type == "yarn")
      read_yarn();
    else if (type != "default")
      rope_.fail("rope_type '" + type +
                 "' is not supported; known are default, linear, dynamic, llama3, yarn");
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

  // Beside the object, where Phi-3 has it, it counts more; without any it is the present length.
  double original() {
    constexpr const char* kOriginal = "original_max_position_embeddings";
    checkpoint::Fields& from = config_.has(kOriginal) || !rope_.has(kOriginal) ? config_ : rope_;
    const double length =
        from.number(config_.has(kOriginal) || rope_.has(kOriginal) ? kOriginal : "max_position_embeddings");
    if (!(length > 0)) from.fail(std::string(kOriginal) + " is not above 0");
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
  RopeConfig& out_;
};

}  // namespace

RopeConfig read_rope(checkpoint::Fields& config, double theta) {
  RopeConfig out;
  out.theta = config.number_or("rope_theta", theta);
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
    if (rope.has("partial_rotary_factor") && rope.number_or("partial_rotary_factor", 1) != 1.0)
      rope.fail("partial_rotary_factor is not supported");
    Scaling(config, rope, out).read();
    const Status status = rope.status();
    if (!status) config.fail(status.error().what);
    break;
  }
  if (!(out.theta > 0)) config.fail("rope_theta is not above 0");
  return out;
}

}  // namespace preferd::layers
