// What training minimises: a weighted sum of terms, each of which is a loss per pair.
//
//   cross-entropy   of the (smoothed, soft) target; for two classes this is BCE with logits
//   distillation    T^2 KL(teacher_T || student_T)                    (Hinton et al., arXiv 1503.02531)
//   probability cosine   1 - cos(softmax(student / T), softmax(teacher / T)), PyTorch's CosineEmbeddingLoss
//   cosine          1 - cos(student's pooled state, teacher's embedding), mean over the pair's sequences
//   center          (s_a + s_b)^2 of a head that scores each response: what both scores share changes no
//                   verdict, but costs precision      (Eisenstein et al., arXiv 2312.09244)
//
//   loss of a step = sum_i weight_i loss_i / sum_i weight_i    over the examples of the whole step
#pragma once

#include <array>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "model/package/head_spec.h"

namespace preferd::training {

struct ObjectiveWeights {
  double cross_entropy = 1, distillation = 0, cosine = 0;
  double temperature = 1;      // T
  double label_smoothing = 0;  // target <- (1 - s) target + s / classes
  double probability_cosine = 0;
  double center = 0;

  bool needs_teacher_logits() const { return distillation > 0 || probability_cosine > 0; }
};

// One row per pair. All tensors are on the device and in the dtype of the logits.
struct Targets {
  at::Tensor probability;        // [pairs, classes]; from the votes
  at::Tensor teacher;            // [pairs, classes] logits, or undefined
  at::Tensor teacher_embedding;  // [sequences, width], or undefined
  at::Tensor weight;             // [pairs]
};

// Head logits as [pairs, classes] in the order model_a, model_b[, tie], whose softmax is the verdict. A
// pair's single logit z becomes (0, z); a difference head's two rows become one.
at::Tensor class_logits(package::Output output, const at::Tensor& logits);

// Sum over the pairs of weight * loss, divided by `total_weight`; a differentiable scalar. `states`
// [sequences, width]: the pooled states, which only the cosine term needs.
at::Tensor objective(const ObjectiveWeights& weights, const at::Tensor& class_logits,
                     const at::Tensor& states, const Targets& targets, double total_weight);

}  // namespace preferd::training
