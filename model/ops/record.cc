#include "model/ops/record.h"

#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"

namespace preferd {
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
    return holder->forward();
  }

  static variable_list backward(AutogradContext* context, const variable_list& outputs) {
    const auto capsule = context->saved_data["holder"].toCapsule();
    auto& holder = static_cast<Holder&>(*capsule);
    PREFERD_CHECK(holder.backward != nullptr);
    const Backward run = std::move(holder.backward);
    holder.backward = nullptr;
    std::vector<at::Tensor> dense;
    for (const at::Tensor& gradient : outputs) dense.push_back(gradient.contiguous());
    variable_list gradients = {at::Tensor()};  // of the holder
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

}  // namespace preferd
