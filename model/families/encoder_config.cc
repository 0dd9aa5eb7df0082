#include "model/families/encoder_config.h"

#include <array>
#include <string>
#include <utility>

namespace preferd::families {

kernels::Activation read_activation(checkpoint::Fields& config, const char* key, const char* fallback) {
  constexpr std::array<std::pair<const char*, kernels::Activation>, 5> kKnown = {
      {{"gelu", kernels::Activation::kGelu},
       {"gelu_new", kernels::Activation::kGeluTanh},
       {"gelu_pytorch_tanh", kernels::Activation::kGeluTanh},
       {"relu", kernels::Activation::kRelu},
       {"tanh", kernels::Activation::kTanh}}};
  const std::string name = config.text_or(key, fallback);
  for (const auto& [known, activation] : kKnown)
    if (name == known) return activation;
  config.fail(std::string(key) + " is '" + name +
              "', expected gelu, gelu_new, gelu_pytorch_tanh, relu or tanh");
  return kernels::Activation::kGelu;
}

void check_types(checkpoint::Fields& config, std::int64_t types, const BodyOptions& options) {
  if (options.second_type_after && types < 2)
    config.fail("type_vocab_size is " + std::to_string(types) +
                ", expected at least 2 for base.second_type_after of package.json");
}

void check_places(checkpoint::Fields& config, std::int64_t usable, const BodyOptions& options) {
  if (options.positions > usable)
    config.fail("max_position_embeddings is " + std::to_string(usable) +
                ", below input.max_tokens of package.json, " + std::to_string(options.positions));
}

}  // namespace preferd::families
