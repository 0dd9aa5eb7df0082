#include "model/families/activation.h"

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

}  // namespace preferd::families
