#include "model/ops/recompute.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "model/ops/record.h"

namespace preferd {

at::Tensor recomputed(const Compute& compute, const at::Tensor& x,
                      const std::function<at::Tensor(const at::Tensor&)>& block) {
  if (!at::GradMode::is_enabled() || compute.step().blocks == TrainingStep::Blocks::kKept) return block(x);
  const auto again = [x = x.detach(), wanted = x.requires_grad(), block] {
    const at::AutoGradMode recording(true);
    const at::Tensor input = x.detach().requires_grad_(wanted);
    return std::pair{input, block(input)};
  };
  at::Tensor value;
  {
    const at::Tensor output = again().second;
    value = output.detach();
    if (!output.requires_grad()) return value;
  }
  // The output is a function of x and of the live weights that the block reads: this tensor stands for those.
  const at::Tensor weights = at::zeros({}).requires_grad_();
  return record(
      {x, weights}, [&] { return std::vector<at::Tensor>{value}; },
      [again](const std::vector<at::Tensor>& dy) {
        const auto [input, output] = again();
        output.backward(dy[0]);
        return std::vector<at::Tensor>{input.grad(), at::Tensor()};
      })[0];
}

}  // namespace preferd
