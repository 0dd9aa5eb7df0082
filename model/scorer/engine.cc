#include "model/scorer/engine.h"

#include <algorithm>
#include <cstdio>

#include <ATen/Context.h>

#include "model/backend/cuda/gpu.h"
#include "model/scorer/packer.h"

namespace preferd::scorer {
namespace {

// What a GPU needs beside weights and activations: workspaces, tables, the allocator's slack.
constexpr std::size_t kBeside = std::size_t{1} << 30;

std::string gibibytes(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

// With kFp8, the first `bf16_layers` layers are bf16.
std::size_t weight_bytes(const AdaptedModel& model, Residency residency, std::int64_t bf16_layers) {
  const std::size_t others = model.stored_bytes - model.linear_bytes;
  switch (residency) {
    case Residency::kPacked: return model.stored_bytes;
    case Residency::kFp8:
      return others + model.linear_elements +
             model.linear_elements / static_cast<std::size_t>(model.layers) *
                 static_cast<std::size_t>(bf16_layers);
    default: return others + 2 * model.linear_elements;
  }
}

// The CPU holds one chunk of the values between a layer's products, a GPU holds all of them.
std::size_t needed_bytes(const AdaptedModel& model, Residency residency, std::int64_t bf16_layers) {
  std::size_t activations = 0;
  for (const auto& body : model.bodies)
    activations =
        std::max(activations, body->activation_bytes(static_cast<std::int64_t>(kGpuForwardTokens.tokens)));
  return weight_bytes(model, residency, bf16_layers) + 2 * activations + kBeside;
}

Result<Residency> fitting(const Placement& placement, const AdaptedModel& model, std::size_t free) {
  const bool choose = placement.residency == Residency::kAuto;
  Residency residency = choose ? Residency::kDense : placement.residency;
  if (choose && needed_bytes(model, residency, 0) > free) residency = Residency::kPacked;
  if (const std::size_t needed = needed_bytes(model, residency, placement.bf16_layers); needed > free)
    return Error{Code::kTooLarge,
                 "device " + name_of(placement.device) + ": residency " + word_of(residency) + " needs " +
                     gibibytes(needed) + " of its memory, " + gibibytes(free) + " are free",
                 {}};
  return residency;
}

std::int64_t largest_rank(const AdaptedModel& model) {
  std::int64_t rank = 0;
  for (const LoadedAdapter& adapter : model.adapters)
    for (const auto& [module, projection] : adapter.projections) rank = std::max(rank, projection.a.rows);
  return rank;
}

// What the GPU's kernels cannot do is reported at load, not at the first pair.
Status check_kernels(const AdaptedModel& model) {
  for (const auto& body : model.bodies)
    if (body->width() % 8 != 0)
      return invalid("device cuda: the model's hidden size is " + std::to_string(body->width()) +
                     ", expected a multiple of 8");
  for (const checkpoint::Declared& d : model.sources.front()->declared())
    if (d.role == checkpoint::Role::kLinear && d.shape[1] % 8 != 0)
      return invalid("device cuda: " + d.name + " reads " + std::to_string(d.shape[1]) +
                     " values, expected a multiple of 8");
  for (const LoadedAdapter& adapter : model.adapters)
    if (adapter.projections.contains("embed_tokens"))
      return invalid("device cuda: an adapter changes embed_tokens, which is supported only on cpu");
  return Ok{};
}

// The arithmetic on the CPU.
backend::Arithmetic arithmetic_of(ComputeType compute) {
  if (compute == ComputeType::kFp32) return backend::Arithmetic::kFp32;
  return compute == ComputeType::kInt8 ? backend::Arithmetic::kInt8 : backend::Arithmetic::kInt16;
}

backend::cuda::Residency resident(Residency residency) {
  return residency == Residency::kPacked ? backend::cuda::Residency::kPacked
         : residency == Residency::kFp8  ? backend::cuda::Residency::kFp8
                                         : backend::cuda::Residency::kDense;
}

Result<Engine> on_gpu(const Placement& placement, std::shared_ptr<ops::Compute> cpu,
                      const AdaptedModel& model) {
  const int index = placement.device.index;
  const auto memory = backend::cuda::memory_of(index);
  if (!memory) return memory.error();
  const std::string device = name_of(placement.device);
  const auto family = families::find_family(model.family);
  if (!family) return family.error();
  Engine engine;
  engine.heads = cpu;
  engine.limits = kGpuForwardTokens;
  engine.device = device;
  const bool kernels =
      (*family)->mask == families::AttentionMask::kCausal && placement.compute != ComputeType::kFp32;
  if (!kernels) {
    if (placement.residency != Residency::kAuto)
      return invalid("residency is " + std::string(word_of(placement.residency)) +
                     ", expected auto: compute fp32 and encoders have no other residency on cuda");
    at::globalContext().setAllowTF32CuDNN(false);
    const at::Device there(at::kCUDA, static_cast<c10::DeviceIndex>(index));
    engine.body =
        std::make_shared<ops::Compute>(ops::Compute::composed(cpu->pool().threads(), there, at::kFloat));
    engine.compute = "fp32";
    return engine;
  }
  if (const Status s = check_kernels(model); !s) return s.error();
  const auto residency = fitting(placement, model, memory->free);
  if (!residency) return residency.error();
  const auto opened = backend::cuda::open({.device = index,
                                           .residency = resident(*residency),
                                           .rank = largest_rank(model),
                                           .bf16_layers = placement.bf16_layers});
  if (!opened) return opened.error();
  engine.device += " " + opened->name;
  engine.compute = opened->arithmetic;
  engine.residency = word_of(*residency);
  engine.body = std::make_shared<ops::Compute>(opened->backend);
  return engine;
}

}  // namespace

Result<Engine> make_engine(const Placement& placement, std::shared_ptr<ops::Compute> cpu,
                           const AdaptedModel& model) {
  if (placement.device.kind == Device::Kind::kCuda) {
    if (placement.compute == ComputeType::kInt16 || placement.compute == ComputeType::kInt8)
      return invalid(std::string("compute is ") + word_of(arithmetic_of(placement.compute)) +
                     ", expected auto or fp32 on device cuda");
    return on_gpu(placement, std::move(cpu), model);
  }
  if (placement.residency != Residency::kAuto)
    return invalid("residency is " + std::string(word_of(placement.residency)) +
                   ", expected auto on device cpu");
  const backend::Arithmetic arithmetic = arithmetic_of(placement.compute);
  return Engine{.body = std::make_shared<ops::Compute>(cpu->with(arithmetic)),
                .heads = cpu,
                .limits = kForwardTokens,
                .device = "cpu",
                .compute = word_of(arithmetic),
                .residency = {}};
}

}  // namespace preferd::scorer
