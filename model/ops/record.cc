#include "model/ops/record.h"

#include <algorithm>

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "base/check.h"
#include "model/backend/reference/compositions.h"

namespace preferd::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Holder : torch::CustomClassHolder {
  std::function<backend::WithBackward()> forward;
  std::function<Tensors(const Tensors&)> backward;
};

struct Recorded : torch::autograd::Function<Recorded> {
  static variable_list forward(AutogradContext* context, const c10::intrusive_ptr<Holder>& holder,
                               at::TensorList) {
    context->saved_data["holder"] = at::IValue::make_capsule(holder);
    backend::WithBackward made = holder->forward();
    holder->backward = std::move(made.backward);
    // Views of one matrix would be watched for changes of the others.
    for (at::Tensor& t : made.out) t = t.detach();
    return made.out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& outputs) {
    const auto capsule = context->saved_data["holder"].toCapsule();
    auto& holder = static_cast<Holder&>(*capsule);
    PREFERD_CHECK(holder.backward != nullptr);
    const auto run = std::move(holder.backward);
    holder.backward = nullptr;
    Tensors dense;
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

Tensors record(const Tensors& inputs, const std::function<backend::WithBackward()>& forward) {
  const auto holder = c10::make_intrusive<Holder>();
  holder->forward = forward;
  auto outputs = Recorded::apply(holder, at::TensorList(inputs));
  holder->forward = nullptr;
  return outputs;
}

at::Tensor record_composed(const Tensors& inputs, const std::function<at::Tensor()>& forward,
                           std::function<at::Tensor(const Tensors&)> composed) {
  Tensors kept;
  Wanted wanted;
  for (const at::Tensor& t : inputs) {
    kept.push_back(t.detach());
    wanted.push_back(t.requires_grad());
  }
  return record(inputs, [&] {
    return backend::WithBackward{{forward()}, [kept, wanted, composed](const Tensors& dy) {
                                   return backend::reference::gradients(kept, wanted, dy[0], composed);
                                 }};
  })[0];
}

Tensors recorded_with(backend::Backend& device, const Tensors& inputs,
                      const std::function<Tensors()>& forward,
                      const std::function<backend::WithBackward(const Wanted&)>& with_backward) {
  Wanted wanted, given;
  Tensors defined;
  for (const at::Tensor& t : inputs) {
    wanted.push_back(wants_gradient(t));
    given.push_back(t.defined());
    if (t.defined()) defined.push_back(t);
  }
  if (device.kernels() == nullptr || std::find(wanted.begin(), wanted.end(), true) == wanted.end())
    return forward();
  return record(defined, [&] {
    backend::WithBackward made = with_backward(wanted);
    made.backward = [backward = std::move(made.backward), wanted, given](const Tensors& dy) {
      Tensors all = backward(dy), out;
      for (std::size_t i = 0; i < given.size(); ++i)
        if (given[i]) out.push_back(wanted[i] ? std::move(all[i]) : at::Tensor());
      return out;
    };
    return made;
  });
}

Tensors recorded(backend::Backend& device, const Tensors& inputs, const std::function<Tensors()>& forward,
                 std::function<Tensors(const Tensors&, const Wanted&)> backward) {
  return recorded_with(device, inputs, forward, [&](const Wanted& wanted) {
    return backend::WithBackward{forward(),
                                 [backward, wanted](const Tensors& dy) { return backward(dy, wanted); }};
  });
}

}  // namespace preferd::ops
