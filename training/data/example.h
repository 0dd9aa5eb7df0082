// One labelled pair, as the trainer sees it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "model/text/pair.h"

namespace preferd::training {

// p(model_a), p(model_b), p(tie); sums to 1.
using Target = std::array<double, 3>;

// The target of the same pair with its responses exchanged.
inline Target exchanged(const Target& t) { return {t[1], t[0], t[2]}; }

// A teacher's answer for the pair, in its given order; for several teachers, the means.
struct TeacherLabel {
  std::array<float, 3> probabilities{};  // model_a, model_b, tie (0 if the teacher has two classes)
  std::array<float, 3> logits{};         // the first logit_count are the teacher's, in its head's own form
  std::uint8_t logit_count = 0;
};

struct Example {
  std::string id;  // as JSON text: "\"a1\"", "17"
  text::Pair pair;
  Target target{};
  double weight = 1;             // of its loss
  std::string language, source;  // "" if the language is unknown
  std::string model_a, model_b;  // "" where unknown
  std::uint64_t group = 0;       // hash of the normalised prompt (identity.h)
  std::string file;
  std::size_t line = 0;  // line in `file`, counted from 1
  std::optional<TeacherLabel> teacher;
};

}  // namespace preferd::training
