#include "training/run/predictions.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "model/scorer/verdict.h"

namespace preferd::training {
namespace {

constexpr std::size_t kExcerpt = 2000;  // bytes

std::string excerpt(std::string text) {
  if (text.size() <= kExcerpt) return text;
  std::size_t end = kExcerpt;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text + "…";
}

std::array<double, 3> widened(std::span<const float> probabilities) {
  std::array<double, 3> out{};
  std::copy(probabilities.begin(), probabilities.end(), out.begin());
  return out;
}

// The largest difference between a probability and its mirror.
double gap_of(const std::array<double, 3>& given, const std::array<double, 3>& swapped) {
  return std::max(
      {std::fabs(given[0] - swapped[1]), std::fabs(given[1] - swapped[0]), std::fabs(given[2] - swapped[2])});
}

}  // namespace

std::array<double, 3> class_logits(std::span<const float> logits) {
  if (logits.size() == 1) return {0, logits[0], 0};
  std::array<double, 3> out{};
  std::copy(logits.begin(), logits.end(), out.begin());
  return out;
}

Result<Calibration> calibrate(int classes, const Dataset& data, const EncodedStore& store,
                              const std::vector<Scored>& scored) {
  std::vector<LogitRow> rows;
  for (std::size_t i = 0; i < scored.size(); ++i)
    rows.push_back({class_logits(scored[i].logits), data.target(store.examples()[i])});
  return fit_temperature(rows, classes == 3 ? Link::kSoftmax3 : Link::kSoftmax2);
}

Result<Evaluated> make_predictions(const VerdictForm& form, const Dataset& data, const EncodedStore& store,
                                   const std::vector<Scored>& scored) {
  Evaluated out;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const std::uint32_t number = store.examples()[i];
    auto example = data.load(number);
    if (!example) return example.error();
    const IndexEntry& entry = data.corpus().entries()[number];
    out.features.push_back(features::arena_features(features::FeatureSet::kArena63V2, example->pair.prompt,
                                                    example->pair.response_a, example->pair.response_b));
    Prediction p{
        .id = example->id,
        .source = example->source,
        .language = example->language,
        .target = data.target(number),
        .probability = widened(scorer::probabilities(form.output, scored[i].logits, form.temperature)),
        .classes = form.classes,
        .tokens = scored[i].tokens,
        .prompt_chars = entry.lengths[0],
        .response_a_chars = entry.lengths[1],
        .response_b_chars = entry.lengths[2],
        .prompt = excerpt(std::move(example->pair.prompt)),
        .response_a = excerpt(std::move(example->pair.response_a)),
        .response_b = excerpt(std::move(example->pair.response_b))};
    if (scored[i].swapped) {
      std::array<double, 3> mirror =
          widened(scorer::probabilities(form.output, *scored[i].swapped, form.temperature));
      p.order_gap = gap_of(p.probability, mirror);
      std::swap(mirror[0], mirror[1]);
      const auto winner = [](const std::array<double, 3>& v) {
        return std::max_element(v.begin(), v.end()) - v.begin();
      };
      p.flipped = winner(p.probability) != winner(mirror);
    }
    out.predictions.push_back(std::move(p));
  }
  return out;
}

std::string predictions_text(const Evaluated& evaluated, const std::vector<Scored>& scored) {
  std::string text;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const Prediction& p = evaluated.predictions[i];
    JsonWriter json(text);
    const auto object = [&](const char* name, const std::array<double, 3>& values) {
      json.key(name).begin_object();
      for (std::size_t c = 0; c < static_cast<std::size_t>(p.classes); ++c)
        json.member(scorer::kClassNames[c], values[c]);
      json.end_object();
    };
    json.begin_object().key("id").raw(p.id).member("source", p.source).member("language", p.language);
    object("target", p.target);
    object("probabilities", p.probability);
    json.key("logits").begin_array();
    for (const float z : scored[i].logits) json.value(z);
    json.end_array().member("tokens", p.tokens);
    if (p.order_gap) json.member("order_gap", *p.order_gap);
    json.end_object();
    text += '\n';
  }
  return text;
}

}  // namespace preferd::training
