// The outputs that a head can have: one row says all that other rooms ask of one.
//
// A new output is a row of kOutputs, behind those of its width (pack takes the first that fits), and, only if its
// logits are read in a new way, a case of scorer::probabilities() (scorer/verdict.cc) and of both
// training::class_logits() (objective/objective.cc, run/predictions.cc).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/words.h"

namespace preferd::package {

enum class Output { kSigmoidB, kSoftmaxAb, kSoftmaxAbt, kTokenPair, kDifference, kSiamese, kTokenReward };

// What a head reads for one order of a pair.
enum class HeadInput {
  kPair,           // the pooled state of one sequence that holds both responses
  kEachResponse,   // the states of two sequences, one after the other: each response has a score of its own
  kBothResponses,  // the states of two sequences side by side
};

struct OutputTraits {
  Output output;
  const char* word;  // in package.json
  HeadInput input;
  std::int64_t min_width, max_width;  // values of the head's last layer; 0: there is no head, see below
  const char* meaning;                // of its values, for people
  std::size_t tokens = 0;             // of the language model whose logits are the values

  // The package has no head file: the values are logits of the language model.
  constexpr bool reads_lm_head() const { return tokens > 0; }
  constexpr bool fits(std::int64_t width) const {
    return !reads_lm_head() && width >= min_width && width <= max_width;
  }

  // Classes of a verdict, given the width of the head's last layer: a third one is the tie.
  constexpr int classes(std::int64_t width) const { return width == 3 || min_width == 3 ? 3 : 2; }

  // Whether a pair is two sequences, one for each response.
  constexpr bool per_response() const { return input != HeadInput::kPair; }
  // Whether features are columns of one response, and the swapped order mirrors the given one exactly.
  constexpr bool scores_each_response() const { return input == HeadInput::kEachResponse; }
  constexpr bool joins_responses() const { return input == HeadInput::kBothResponses; }
};

inline constexpr OutputTraits kOutputs[] = {
    {Output::kSigmoidB, "sigmoid_b", HeadInput::kPair, 1, 1,
     "the head's output is the logit of \"B is better\""},
    {Output::kSoftmaxAb, "softmax_ab", HeadInput::kPair, 2, 2, "the head's outputs are model_a, model_b"},
    {Output::kSoftmaxAbt, "softmax_abt", HeadInput::kPair, 3, 3,
     "the head's outputs are model_a, model_b, tie"},
    {Output::kTokenPair, "token_pair", HeadInput::kPair, 0, 0,
     "the first answer token stands for A, the second for B", 2},
    {Output::kDifference, "difference", HeadInput::kEachResponse, 1, 1,
     "the response with the higher output wins"},
    {Output::kSiamese, "siamese", HeadInput::kBothResponses, 1, 3,
     "the head reads response_a, then response_b"},
    {Output::kTokenReward, "token_reward", HeadInput::kEachResponse, 0, 0,
     "the response behind which the token has the higher logit wins", 1},
};

constexpr const OutputTraits& traits(Output output) {
  for (const OutputTraits& row : kOutputs)
    if (row.output == output) return row;
  check_failed(__FILE__, __LINE__, "the output has a row");
}

constexpr auto words(Output) {
  std::array<Word<Output>, std::size(kOutputs)> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = {kOutputs[i].word, kOutputs[i].output};
  return out;
}

}  // namespace preferd::package
