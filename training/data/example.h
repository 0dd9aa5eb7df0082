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

// That of the same pair with its responses exchanged.
inline Target exchanged(const Target& t) { return {t[1], t[0], t[2]}; }

// What a teacher said of the pair, in its given order. Several teachers: the means.
struct TeacherLabel {
  std::array<float, 3> probabilities{};  // model_a, model_b, tie (0 where the teacher has two classes)
  std::array<float, 3> logits{};         // the first logit_count are the teacher's, in its head's own form
  std::uint8_t logit_count = 0;
};

struct Example {
  std::string id;  // as JSON: "\"a1\"", "17"
  text::Pair pair;
  Target target{};
  double weight = 1;             // of its loss
  std::string language, source;  // "" where nothing is known of the language
  std::string model_a, model_b;  // "" where unknown
  std::uint64_t group = 0;       // hash of the normalised prompt (identity.h)
  std::string file;
  std::size_t line = 0;  // in `file`, from 1
  std::optional<TeacherLabel> teacher;
};

}  // namespace preferd::training
