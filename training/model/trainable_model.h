// A package whose weights are trained: the layers that serve, with leaves in place of what is trained.
//
// method lora: A and B of every projection, and the head; full: every tensor of the base, and the head; head:
// only the head. One caller at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "model/backend/trainable.h"
#include "model/ops/compute.h"
#include "model/scorer/adapted_model.h"
#include "model/scorer/pair_encoder.h"
#include "training/config/config.h"
#include "training/model/package_files.h"
#include "training/optim/parameter.h"

namespace preferd::training {

struct TrainableOptions {
  Method method = Method::kLora;
  Device device = Device::kCpu;
  Precision precision = Precision::kFp32;
  int threads = 1;
  int device_index = 0;  // which of several GPUs
};

struct Forward {
  at::Tensor states;  // [sequences, width]
  at::Tensor logits;  // [pairs, classes]: model_a, model_b[, tie]; their softmax is the verdict
};

class TrainableModel {
 public:
  // Loads the package of `encoder`, strictly. Errors: those of loading; a placement that this build or
  // machine lacks; method full over a quantized base or with a token_pair head.
  static Result<std::unique_ptr<TrainableModel>> load(std::shared_ptr<const scorer::PairEncoder> encoder,
                                                      const TrainableOptions& placement);

  const scorer::PairEncoder& encoder() const { return *encoder_; }
  package::Output output() const { return model_.adapters.front().spec.output; }
  int classes() const { return classes_; }
  std::int64_t width() const { return model_.bodies.front()->width(); }  // of a pooled state
  at::TensorOptions options() const;                                     // device and type of logits

  // Every item has one order. Gradients are recorded if GradMode is on.
  Forward forward(std::span<const scorer::Encoded* const> items);

  // For the forwards that follow.
  void set_dropout(const backend::Dropout& dropout);
  void set_checkpointing(ops::TrainingStep::Blocks blocks);

  // The leaves, in a fixed order.
  std::vector<Parameter> parameters() const;

  // Copies of the trained tensors under the names that they have in files.
  PackageTensors tensors() const;

 private:
  TrainableModel(std::shared_ptr<const scorer::PairEncoder> encoder, std::unique_ptr<ops::Compute> compute);
  void train_adapter();
  void train_head();

  std::shared_ptr<const scorer::PairEncoder> encoder_;
  std::unique_ptr<ops::Compute> compute_;
  backend::TrainableWeights trainable_;
  scorer::AdaptedModel model_;
  std::vector<const std::map<std::string, checkpoint::LoraWeights>*> projections_;
  std::vector<ParameterGroup> groups_;  // for trainable_.weights()
  int classes_ = 2;
};

}  // namespace preferd::training
