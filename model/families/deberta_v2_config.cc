#include "model/families/deberta_v2_config.h"

#include <algorithm>
#include <cctype>

#include "model/families/activation.h"
#include "model/families/encoder_config.h"

namespace preferd::families {
namespace {

constexpr std::int64_t kMax = kMostInConfig;

// The parts of "p2c|c2p", in lower case and without surrounding spaces.
std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == '|')
      out.emplace_back();
    else if (std::isspace(static_cast<unsigned char>(c)) == 0)
      out.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

// A text of parts, a list of texts, or nothing.
std::vector<std::string> read_parts(checkpoint::Fields& config, const char* key) {
  if (!config.has(key)) return {};
  const Json& value = config.json()[key];
  if (value.is_string()) return parts_of(value.get<std::string>());
  std::vector<std::string> out;
  if (!value.is_array()) config.fail(std::string(key) + " is " + describe(value) + ", expected a list");
  for (const Json& part : value) {
    if (part.is_string())
      out.push_back(part.get<std::string>());
    else
      config.fail(std::string(key) + " holds " + describe(part) + ", expected texts");
  }
  return out;
}

void read_positions(checkpoint::Fields& config, std::int64_t all_places, std::int64_t lengths,
                    DebertaV2Config& c) {
  for (const std::string& kind : read_parts(config, "pos_att_type")) {
    c.content_to_position = c.content_to_position || kind == "c2p";
    c.position_to_content = c.position_to_content || kind == "p2c";
    if (kind != "c2p" && kind != "p2c")
      config.fail("pos_att_type has '" + kind + "', expected 'c2p' or 'p2c'");
  }
  c.relative = config.boolean_or("relative_attention", false);
  c.share_key = config.boolean_or("share_att_key", false);
  c.buckets = std::max<std::int64_t>(config.integer_or("position_buckets", -1, -1, kMax), 0);
  c.farthest = config.integer_or("max_relative_positions", -1, -1, kMax);
  if (c.farthest < 1) c.farthest = all_places;
  const auto norms = parts_of(config.text_or("norm_rel_ebd", "none"));
  c.norm_positions = std::find(norms.begin(), norms.end(), "layer_norm") != norms.end();
  const std::int64_t half = c.buckets / 2;
  if (c.relative && c.buckets > 0 && (half < 1 || (c.farthest <= half + 1 && lengths > half + 1)))
    config.fail("position_buckets is " + std::to_string(c.buckets) + " for distances up to " +
                std::to_string(c.farthest) +
                ", expected from 2 to less than twice that, or input.max_tokens of at most " +
                std::to_string(half + 1));
}

void read_convolution(checkpoint::Fields& config, DebertaV2Config& c) {
  c.kernel = config.integer_or("conv_kernel_size", 0, 0, 1023);
  if (c.kernel == 0) return;
  c.kernel_groups = config.integer_or("conv_groups", 1, 1, kMax);
  c.kernel_activation = read_activation(config, "conv_act", "tanh");
  if (c.kernel % 2 == 0)
    config.fail("conv_kernel_size is " + std::to_string(c.kernel) + ", expected an odd number");
  if (c.hidden % c.kernel_groups != 0)
    config.fail("conv_groups is " + std::to_string(c.kernel_groups) +
                ", which does not divide hidden_size, " + std::to_string(c.hidden));
}

}  // namespace

DebertaV2Config read_deberta_v2(checkpoint::Fields& config, const BodyOptions& options) {
  DebertaV2Config c;
  c.vocabulary = config.integer("vocab_size", 1, kMax);
  c.hidden = config.integer("hidden_size", 1, kMax);
  c.embedding = config.integer_or("embedding_size", c.hidden, 1, kMax);
  c.heads = config.integer_or("num_attention_heads", 24, 1, 4096);
  c.ffn = config.integer_or("intermediate_size", 6144, 1, kMax);
  c.types = config.integer_or("type_vocab_size", 0, 0, kMax);
  c.eps = static_cast<float>(config.positive_or("layer_norm_eps", 1e-7));
  c.activation = read_activation(config, "hidden_act", "gelu");
  const std::int64_t all_places = config.integer_or("max_position_embeddings", 512, 1, kMax);
  if (config.boolean_or("position_biased_input", true)) c.places = all_places;
  check_types(config, c.types, options);
  if (c.places > 0) check_places(config, c.places, options);
  if (c.hidden % c.heads != 0)
    config.fail("num_attention_heads is " + std::to_string(c.heads) +
                ", which does not divide hidden_size, " + std::to_string(c.hidden));
  else if (config.integer_or("attention_head_size", c.hidden / c.heads, 1, kMax) != c.hidden / c.heads)
    config.fail("attention_head_size is not hidden_size / num_attention_heads, " +
                std::to_string(c.hidden / c.heads));
  read_positions(config, all_places, options.positions, c);
  read_convolution(config, c);
  return c;
}

}  // namespace preferd::families
