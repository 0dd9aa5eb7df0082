// The head of a package, as package.json describes it.
//
//   pooled states -> [l2 | layer norm] -> (siamese: a's, b's side by side) -> ++ features -> layers
//                 -> [expectations over bins] -> [sum under a gate] -> logits
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/words.h"
#include "model/package/output.h"

namespace preferd::package {

enum class Pooling { kLast, kFirst, kMean, kMarkers };  // over real tokens; kMarkers: HeadSpec::markers
enum class Normalize { kNone, kL2, kLayerNorm };        // of each pooled vector
enum class Activation { kNone, kRelu, kGelu, kTanh, kLeakyRelu };  // gelu: exact; leaky: slope 0.01

constexpr auto words(Pooling) {
  return word_list<Pooling>({{"last", Pooling::kLast},
                             {"mean", Pooling::kMean},
                             {"first", Pooling::kFirst},
                             {"markers", Pooling::kMarkers}});
}
constexpr auto words(Activation) {
  return word_list<Activation>({{"none", Activation::kNone},
                                {"relu", Activation::kRelu},
                                {"gelu", Activation::kGelu},
                                {"tanh", Activation::kTanh},
                                {"leaky_relu", Activation::kLeakyRelu}});
}

struct HeadLayer {
  enum class Type { kLinear, kActivation, kDropout, kLayerNorm } type = Type::kLinear;
  Activation activation = Activation::kNone;
  std::int64_t in = 0, out = 0;
  bool bias = true;
  double p = 0;  // of a dropout; serving has none
  double eps =
      1e-5;  // of a layer norm, which has no parameters: those of a published one go into the next linear
};

struct FeatureProjection {
  std::int64_t out = 0;
  Activation activation = Activation::kNone;
  bool l2_normalize = false;
};

// Weights of the values that the layers give, made of an earlier state of the same sequence, as in ArmoRM (Wang
// et al., Interpretable Preferences via Multi-Objective Reward Modeling and Mixture-of-Experts, 2024), or of the
// same state:
//
//   output = sum over values of softmax(gate layers(state at `at_tokens`) / temperature) * layers(state)
enum class GateWeights { kSoftmax, kPlain };  // kPlain: what the gate's layers give, as it is
constexpr auto words(GateWeights) {
  return word_list<GateWeights>({{"softmax", GateWeights::kSoftmax}, {"plain", GateWeights::kPlain}});
}
struct GateSpec {
  // It reads at the first of these, where they stand for the last time; none: what the layers read.
  std::vector<std::int32_t> at_tokens;
  std::vector<HeadLayer> layers;  // entry i is tensor gate.layers.<i>; the last gives a weight a value
  double temperature = 1;         // of kSoftmax
  GateWeights weights = GateWeights::kSoftmax;

  bool reads_earlier() const { return !at_tokens.empty(); }
};

// The ids of three control tokens of a text that holds prompt, response_a and response_b, in this order, each behind
// one of them, as in PairRM (Jiang et al., LLM-Blender, 2023). The head reads their states p, a and b:
//
//   output = layers(p beside b) - layers(p beside a)
//
// In families whose states see the whole sequence.
using Markers = std::array<std::int32_t, 3>;

struct HeadSpec {
  std::optional<std::string> file;
  Pooling pooling = Pooling::kLast;  // over the LM head: always the last token
  // kLast, at most one of the two, in causal families: the last token that is not this one (the first token
  // if all are), or the last occurrence of this one.
  std::optional<std::int32_t> skip_token, at_token;
  Normalize normalize = Normalize::kNone;
  std::optional<FeatureProjection> projection;
  std::optional<Markers> markers;  // with Pooling::kMarkers alone
  std::vector<HeadLayer> layers;   // entry i of head.layers is tensor layers.<i>
  // What the layers give, in groups of as many as there are bins, are logits of distributions over these values, of
  // each of which the expectation goes on; none: what the layers give goes on.
  std::vector<double> bins;
  std::optional<GateSpec>
      gate;  // of output difference, without features; where it reads earlier in causal families
  Output output = Output::kSigmoidB;
  std::vector<std::string> tokens;  // of the LM head, as many as the output reads
};

// The number of tokens up to and including the one whose state the head reads. 0: at_token is not among them.
std::size_t tokens_to_read(const HeadSpec& head, std::span<const std::int32_t> ids);

// The number of tokens up to and including the one whose state the gate reads. 0: at_tokens are not among them.
std::size_t tokens_to_gate(const GateSpec& gate, std::span<const std::int32_t> ids);

// Where the markers stand; nothing unless each is there once.
std::optional<Markers> places_of(const Markers& markers, std::span<const std::int32_t> ids);

}  // namespace preferd::package
