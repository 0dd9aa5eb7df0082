// Which class each output of a head stands for, if it was trained in another order than ours (model_a,
// model_b, tie; one output: the logit of model_b).
//
// `pack` puts the head into our order: it exchanges rows of the last linear, or flips the sign of a single
// output. Both are exact, and the code that scores does not know of it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "model/convert/manifest_template.h"

namespace preferd::convert {

class Labels {
 public:
  // The names in the order of the head: ["model_b", "model_a"], or ["model_a"] for one output. Empty: our
  // order. Errors: an unknown name, a name that occurs twice, a wrong number of names.
  static Result<Labels> make(const std::vector<std::string>& names);

  bool ours() const { return from_.empty() && !negated_; }

  // Rewrites the head's last linear in `file`, a safetensors file of our own: "layers.N" of a head file, or
  // the score or classifier of an adapter. `head` is the manifest's section. Errors: a number of outputs that
  // differs from the number of labels, an output that has no order (token_pair, difference, siamese).
  Status reorder(const std::string& file, const OrderedJson& head) const;

  // The same for logits in the head's own order.
  std::vector<double> reordered(const std::vector<double>& logits) const;

 private:
  std::vector<std::size_t> from_;  // our output i is the head's from_[i]
  bool negated_ = false;
};

}  // namespace preferd::convert
