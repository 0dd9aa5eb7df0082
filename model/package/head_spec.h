// The head of a package, as package.json describes it.
//
//   pooled states -> [l2 | layer norm] -> (siamese: a's, b's side by side) -> ++ features -> layers -> logits
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/words.h"
#include "model/package/output.h"

namespace preferd::package {

enum class Pooling { kLast, kFirst, kMean };           // over real tokens
enum class Normalize { kNone, kL2, kLayerNorm };       // of each pooled vector
enum class Activation { kNone, kRelu, kGelu, kTanh };  // gelu: exact

constexpr auto words(Pooling) {
  return word_list<Pooling>({{"last", Pooling::kLast}, {"mean", Pooling::kMean}, {"first", Pooling::kFirst}});
}
constexpr auto words(Activation) {
  return word_list<Activation>({{"none", Activation::kNone},
                                {"relu", Activation::kRelu},
                                {"gelu", Activation::kGelu},
                                {"tanh", Activation::kTanh}});
}

struct HeadLayer {
  enum class Type { kLinear, kActivation, kDropout } type = Type::kLinear;
  Activation activation = Activation::kNone;
  std::int64_t in = 0, out = 0;
  bool bias = true;
  double p = 0;  // of a dropout; serving has none
};

struct FeatureProjection {
  std::int64_t out = 0;
  Activation activation = Activation::kNone;
  bool l2_normalize = false;
};

// Weights of the values that the layers give, made of an earlier state of the same sequence, as in ArmoRM (Wang
// et al., Interpretable Preferences via Multi-Objective Reward Modeling and Mixture-of-Experts, 2024):
//
//   output = sum over values of softmax(gate layers(state at `at_tokens`) / temperature) * layers(state)
struct GateSpec {
  std::vector<std::int32_t> at_tokens;  // it reads at the first of these, where they stand for the last time
  std::vector<HeadLayer> layers;        // entry i is tensor gate.layers.<i>; the last gives a weight a value
  double temperature = 1;
};

struct HeadSpec {
  std::optional<std::string> file;
  Pooling pooling = Pooling::kLast;  // over the LM head: always the last token
  // kLast, at most one of the two, in causal families: the last token that is not this one (the first token
  // if all are), or the last occurrence of this one.
  std::optional<std::int32_t> skip_token, at_token;
  Normalize normalize = Normalize::kNone;
  std::optional<FeatureProjection> projection;
  std::vector<HeadLayer> layers;  // entry i of head.layers is tensor layers.<i>
  std::optional<GateSpec> gate;   // of output difference in causal families, without features
  Output output = Output::kSigmoidB;
  std::vector<std::string> tokens;  // of the LM head, as many as the output reads
};

// The number of tokens up to and including the one whose state the head reads. 0: at_token is not among them.
std::size_t tokens_to_read(const HeadSpec& head, std::span<const std::int32_t> ids);

// The number of tokens up to and including the one whose state the gate reads. 0: at_tokens are not among them.
std::size_t tokens_to_gate(const GateSpec& gate, std::span<const std::int32_t> ids);

}  // namespace preferd::package
