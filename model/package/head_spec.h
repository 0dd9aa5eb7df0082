// The head of a package, as package.json describes it.
//
//   pooled states -> [l2 | layer norm] -> (siamese: a's, b's side by side) -> ++ features -> layers -> logits
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/words.h"

namespace preferd::package {

enum class Pooling { kLast, kFirst, kMean };           // over real tokens
enum class Normalize { kNone, kL2, kLayerNorm };       // of each pooled vector
enum class Activation { kNone, kRelu, kGelu, kTanh };  // gelu: exact
enum class Output { kSigmoidB, kSoftmaxAb, kSoftmaxAbt, kTokenPair, kDifference, kSiamese };

constexpr auto words(Pooling) {
  return word_list<Pooling>({{"last", Pooling::kLast}, {"mean", Pooling::kMean}, {"first", Pooling::kFirst}});
}
constexpr auto words(Activation) {
  return word_list<Activation>({{"none", Activation::kNone},
                                {"relu", Activation::kRelu},
                                {"gelu", Activation::kGelu},
                                {"tanh", Activation::kTanh}});
}
constexpr auto words(Output) {
  return word_list<Output>({{"sigmoid_b", Output::kSigmoidB},
                            {"softmax_ab", Output::kSoftmaxAb},
                            {"softmax_abt", Output::kSoftmaxAbt},
                            {"token_pair", Output::kTokenPair},
                            {"difference", Output::kDifference},
                            {"siamese", Output::kSiamese}});
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

struct HeadSpec {
  std::optional<std::string> file;
  Pooling pooling = Pooling::kLast;  // token_pair: always the last token
  Normalize normalize = Normalize::kNone;
  std::optional<FeatureProjection> projection;
  std::vector<HeadLayer> layers;  // entry i of head.layers is tensor layers.<i>
  Output output = Output::kSigmoidB;
  std::vector<std::string> tokens;  // token_pair: exactly two
};

// Two sequences a pair, one for each response?
inline bool per_response(Output output) {
  return output == Output::kDifference || output == Output::kSiamese;
}

}  // namespace preferd::package
