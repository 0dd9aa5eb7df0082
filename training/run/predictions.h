// Scored examples as an evaluation sees them.
#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "features/arena.h"
#include "model/package/head_spec.h"
#include "training/data/dataset.h"
#include "training/data/encoded_store.h"
#include "training/evaluation/calibration.h"
#include "training/evaluation/prediction.h"
#include "training/run/score_examples.h"

namespace preferd::training {

struct Evaluated {
  std::vector<Prediction> predictions;
  std::vector<features::FeatureColumns> features;  // arena63_v2, of the same rows
};

// Logits in the order model_a, model_b[, tie]; a softmax over them is the verdict.
std::array<double, 3> class_logits(package::Output output, std::span<const float> logits);

// Temperature that fits the logits to the labels best.
Result<Calibration> calibrate(package::Output output, int classes, const Dataset& data,
                              const EncodedStore& store, const std::vector<Scored>& scored);

// With the probabilities that a package of this output and temperature gives; texts cut to excerpts.
struct VerdictForm {
  package::Output output = package::Output::kSigmoidB;
  float temperature = 1;
  int classes = 2;
};
Result<Evaluated> make_predictions(const VerdictForm& form, const Dataset& data, const EncodedStore& store,
                                   const std::vector<Scored>& scored);

// predictions.jsonl: a line a row, with id, target, probabilities, logits.
std::string predictions_text(const Evaluated& evaluated, const std::vector<Scored>& scored);

}  // namespace preferd::training
