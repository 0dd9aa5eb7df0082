// Scored examples in the form that an evaluation needs.
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
  std::vector<features::FeatureColumns> features;  // arena63_v2, for the same rows
};

// Logits in the order model_a, model_b[, tie], whose softmax is the verdict.
std::array<double, 3> class_logits(std::span<const float> logits);

// The temperature with which the logits fit the labels best.
Result<Calibration> calibrate(int classes, const Dataset& data, const EncodedStore& store,
                              const std::vector<Scored>& scored);

// Predictions with the probabilities that a package with this output and temperature gives; texts are cut to
// excerpts.
struct VerdictForm {
  package::Output output = package::Output::kSigmoidB;
  float temperature = 1;
  int classes = 2;
};
Result<Evaluated> make_predictions(const VerdictForm& form, const Dataset& data, const EncodedStore& store,
                                   const std::vector<Scored>& scored);

// predictions.jsonl: one line per row, with id, target, probabilities, logits.
std::string predictions_text(const Evaluated& evaluated, const std::vector<Scored>& scored);

}  // namespace preferd::training
