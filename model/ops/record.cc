#include "model/ops/record.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"
#include "model/backend/reference/compositions.h"

namespace preferd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Holder : torch::CustomClassHolder {
  std::function<std::vector<at::Tensor>()> forward;
  Backward backward;
};

struct Recorded : torch::autograd::Function<Recorded> {
  static variable_list forward(AutogradContext* context, const c10::intrusive_ptr<Holder>& holder,
                               at::TensorList) {
    context->saved_data["holder"] = at::IValue::make_capsule(holder);
    variable_list outputs = holder->forward();
    // Views of one matrix would be watched for changes of the others.
    for (at::Tensor& t : outputs) t = t.detach();
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outputs) {
    const auto capsule = context->saved_data["holder"].toCapsule();
    auto& holder = static_cast<Holder&>(*capsule);
    PREFERD_CHECK(holder.backward != nullptr);
    const Backward run = std::move(holder.backward);
    holder.backward = nullptr;
    std::vector<at::Tensor> dense;
    for (const at::Tensor& gradient : outputs)
      dense.push_back(gradient.is_cpu() || gradient.stride(-1) != 1 ? gradient.contiguous() : gradient);
    variable_list gradients = {at::Tensor()};  // for the holder
    for (at::Tensor& gradient : run(dense)) gradients.push_back(std::move(gradient));
    return gradients;
  }
};

}  // namespace

bool wants_gradient(const at::Tensor& x) {
  return at::GradMode::is_enabled() && x.defined() && x.requires_grad();
}

std::vector<at::Tensor> record(const std::vector<at::Tensor>& inputs,
                               const std::function<std::vector<at::Tensor>()>& forward, Backward backward) {
  const auto holder = c10::make_intrusive<Holder>();
  holder->forward = forward;
  holder->backward = std::move(backward);
  auto outputs = Recorded::apply(holder, at::TensorList(inputs));
  holder->forward = nullptr;
  return outputs;
}

at::Tensor record_composed(const std::vector<at::Tensor>& inputs, const std::function<at::Tensor()>& forward,
                           std::function<at::Tensor(const std::vector<at::Tensor>&)> composed) {
  std::vector<at::Tensor> kept;
  std::vector<bool> wanted;
  for (const at::Tensor& t : inputs) {
    kept.push_back(t.detach());
    wanted.push_back(t.requires_grad());
  }
  return record(
      inputs, [&] { return std::vector<at::Tensor>{forward()}; },
      [kept = std::move(kept), wanted = std::move(wanted),
       composed = std::move(composed)](const std::vector<at::Tensor>& dy) {
        return backend::reference::gradients(kept, wanted, dy[0], composed);
      })[0];
}

}  // namespace preferd::ops
