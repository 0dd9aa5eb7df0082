#include "training/objective/objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>

#include "base/check.h"

namespace preferd::training {
namespace {

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& target, double smoothing) {
  const auto classes = static_cast<double>(logits.size(1));
  const at::Tensor soft = smoothing == 0 ? target : target * (1 - smoothing) + smoothing / classes;
  return -(soft * at::log_softmax(logits, 1)).sum(1);
}

at::Tensor distillation(const at::Tensor& logits, const at::Tensor& teacher, double temperature) {
  const at::Tensor expected = at::log_softmax(teacher / temperature, 1);
  const at::Tensor found = at::log_softmax(logits / temperature, 1);
  return (expected.exp() * (expected - found)).sum(1) * (temperature * temperature);
}

at::Tensor probability_distance(const at::Tensor& logits, const at::Tensor& teacher, double temperature) {
  return 1 - at::cosine_similarity(at::softmax(logits / temperature, 1),
                                   at::softmax(teacher / temperature, 1), 1);
}

at::Tensor cosine_distance(const at::Tensor& states, const at::Tensor& teacher, std::int64_t pairs) {
  return (1 - at::cosine_similarity(states, teacher, 1)).view({pairs, -1}).mean(1);
}

}  // namespace

at::Tensor class_logits(package::Output output, const at::Tensor& logits) {
  if (package::traits(output).scores_each_response()) return logits.view({-1, 2});
  if (logits.size(1) > 1) return logits;
  return at::cat({at::zeros_like(logits), logits}, 1);
}

at::Tensor objective(const ObjectiveWeights& weights, const at::Tensor& logits, const at::Tensor& states,
                     const Targets& targets, double total_weight) {
  PREFERD_CHECK(total_weight > 0);
  at::Tensor loss = at::zeros_like(targets.weight);
  if (weights.cross_entropy > 0)
    loss = loss + cross_entropy(logits, targets.probability, weights.label_smoothing) * weights.cross_entropy;
  if (weights.distillation > 0)
    loss = loss + distillation(logits, targets.teacher, weights.temperature) * weights.distillation;
  if (weights.probability_cosine > 0)
    loss = loss +
           probability_distance(logits, targets.teacher, weights.temperature) * weights.probability_cosine;
  if (weights.cosine > 0)
    loss = loss + cosine_distance(states, targets.teacher_embedding, logits.size(0)) * weights.cosine;
  if (weights.center > 0) loss = loss + logits.sum(1).square() * weights.center;
  return (loss * targets.weight).sum() / total_weight;
}

}  // namespace preferd::training
