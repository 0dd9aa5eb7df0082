#include "training/model/trainable_model.h"

#include <algorithm>
#include <cstring>

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include "model/backend/cuda/gpu.h"
#include "model/checkpoint/writable.h"
#include "model/scorer/adapter_files.h"
#include "model/scorer/logits.h"
#include "model/scorer/packer.h"
#include "training/objective/objective.h"

namespace preferd::training {
namespace {

constexpr const char* kAdapter = "adapter/";  // prefix of names in TrainableWeights
constexpr const char* kHead = "head/";
constexpr const char* kBase = "base/";

// The GPU's own kernels train adapters of causal decoders in bf16; everything else there runs on ATen.
bool has_kernels(const TrainableOptions& p, const scorer::ModelShape& shape) {
  if (p.device != Device::kCuda || p.precision != Precision::kBf16 || p.method != Method::kLora) return false;
  const auto family = families::find_family(shape.family);
  return backend::cuda::device_count() > 0 && shape.width % 8 == 0 && family &&
         (*family)->mask == families::AttentionMask::kCausal;
}

std::size_t linear_elements(const scorer::ModelShape& shape) {
  std::int64_t elements = 0;
  for (const checkpoint::Declared& d : shape.tensors)
    if (d.role == checkpoint::Role::kLinear) elements += d.shape[0] * d.shape[1];
  return static_cast<std::size_t>(elements);
}

// Weights stay dense if they take no more than half of the free memory, because activations take more.
Result<std::unique_ptr<ops::Compute>> place_on_kernels(const scorer::PairEncoder& encoder,
                                                       const TrainableOptions& p,
                                                       const scorer::ModelShape& shape) {
  const auto memory = backend::cuda::memory_of(p.device_index);
  if (!memory) return memory.error();
  auto adapter = scorer::read_adapter(encoder, shape, encoder.manifest().adapters.front());
  if (!adapter) return adapter.error();
  std::int64_t rank = 0;
  for (const auto& [module, projection] : adapter->peft.projections) rank = std::max(rank, projection.a.rows);
  if (adapter->peft.projections.contains("embed_tokens"))
    return invalid(
        "the adapter changes embed_tokens on device cuda with precision bf16, expected precision fp32");
  const bool dense = 2 * linear_elements(shape) <= memory->free / 2;
  auto opened = backend::cuda::open(
      {.device = p.device_index,
       .residency = dense ? backend::cuda::Residency::kDense : backend::cuda::Residency::kPacked,
       .rank = rank,
       .threads = p.threads});
  if (!opened) return opened.error();
  return std::make_unique<ops::Compute>(opened->backend);
}

Result<std::unique_ptr<ops::Compute>> place(const scorer::PairEncoder& encoder, const TrainableOptions& p) {
  if (p.device == Device::kCuda && !at::hasCUDA())
    return invalid("device is cuda, this build's libtorch or this machine has none");
  if (p.device == Device::kCpu && p.precision == Precision::kBf16)
    return invalid("precision is bf16 on device cpu, expected fp32 (bf16 is slower there)");
  if (p.device == Device::kCpu && p.precision == Precision::kFp32)
    return std::make_unique<ops::Compute>(p.threads);
  const auto shape = scorer::model_shape(encoder);
  if (!shape) return shape.error();
  if (has_kernels(p, *shape)) return place_on_kernels(encoder, p, *shape);
  const at::Device device = p.device == Device::kCpu
                                ? at::Device(at::kCPU)
                                : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(p.device_index));
  const at::ScalarType type = p.precision == Precision::kFp64   ? at::kDouble
                              : p.precision == Precision::kBf16 ? at::kBFloat16
                                                                : at::kFloat;
  return std::make_unique<ops::Compute>(ops::Compute::composed(p.threads, device, type));
}

checkpoint::StoredTensor stored_copy(const at::Tensor& tensor, std::vector<std::int64_t> shape) {
  const at::Tensor values = tensor.detach().to(at::kCPU, at::kFloat).contiguous();
  const float* from = values.data_ptr<float>();
  return make_tensor(std::move(shape), std::vector<float>(from, from + values.numel()));
}

}  // namespace

TrainableModel::TrainableModel(std::shared_ptr<const scorer::PairEncoder> encoder,
                               std::unique_ptr<ops::Compute> compute)
    : encoder_(std::move(encoder)), compute_(std::move(compute)), trainable_(compute_->backend()) {}

Result<std::unique_ptr<TrainableModel>> TrainableModel::load(
    std::shared_ptr<const scorer::PairEncoder> encoder, const TrainableOptions& placement) {
  at::set_num_threads(1);
  auto compute = place(*encoder, placement);
  if (!compute) return compute.error();
  if (placement.method == Method::kFull &&
      encoder->manifest().quantization.scheme != checkpoint::Quantization::Scheme::kNone)
    return invalid("method is full over a base quantized as " +
                   std::string(word_of(encoder->manifest().quantization.scheme)) + ", expected a dense base");
  if (placement.method == Method::kFull && package::traits(encoder->manifest().output()).reads_lm_head())
    return invalid(
        "method is full over a " + std::string(word_of(encoder->manifest().output())) +
        " head, whose rows of the LM head are not trained; expected method lora or another head.output");
  for (const package::AdapterSpec& adapter : encoder->manifest().adapters)
    for (const auto& [key, served] : {std::pair{"gate", adapter.head.gate.has_value()},
                                      std::pair{"markers", adapter.head.markers.has_value()}})
      if (served) return invalid(std::string("package.json: head.") + key + " is served and not trained");
  std::unique_ptr<TrainableModel> self(new TrainableModel(std::move(encoder), std::move(*compute)));
  std::shared_ptr<checkpoint::WritableWeights> writable;
  scorer::SourceWrapper wrap;
  if (placement.method == Method::kFull)
    wrap = [&](std::shared_ptr<checkpoint::WeightSource> files) {
      return writable = std::make_shared<checkpoint::WritableWeights>(std::move(files));
    };
  auto model = scorer::load_model(*self->encoder_, wrap);
  if (!model) return model.error();
  self->model_ = std::move(*model);
  for (const auto& [module, projection] : self->model_.adapters.front().projections)
    if (projection.dora != nullptr && placement.method == Method::kLora)
      return invalid(
          "the adapter is DoRA, which is served and not trained; expected LoRA, or preferd merge first");
  if (placement.method == Method::kLora) self->train_adapter();
  if (writable)
    for (const checkpoint::WritableWeights::Writable& w : writable->writable()) {
      self->trainable_.train(kBase + w.declared.name, w.values, w.declared.shape);
      self->groups_.push_back(ParameterGroup::kBase);
    }
  self->train_head();
  for (const scorer::LoadedAdapter& a : self->model_.adapters) self->projections_.push_back(&a.projections);
  const scorer::LoadedAdapter& adapter = self->model_.adapters.front();
  self->classes_ = package::traits(adapter.spec.output).classes(adapter.head ? adapter.head->outputs() : 0);
  if (const Status s = self->encoder_->intact(Look::kThorough); !s) return s.error();
  return self;
}

void TrainableModel::train_adapter() {
  const std::string prefix =
      package::traits(output()).reads_lm_head() ? "base_model.model.model." : "base_model.model.";
  for (auto& [module, projection] : model_.adapters.front().projections) {
    trainable_.train(kAdapter + prefix + module + ".lora_A.weight", projection.a);
    groups_.push_back(ParameterGroup::kAdapterA);
    trainable_.train(kAdapter + prefix + module + ".lora_B.weight", projection.b);
    groups_.push_back(ParameterGroup::kAdapterB);
  }
}

void TrainableModel::train_head() {
  auto& head = model_.adapters.front().head;
  if (!head) return;
  for (auto& [name, linear] : head->parameters()) {
    const auto group = name == "feature_projection" ? ParameterGroup::kFeatures : ParameterGroup::kHead;
    trainable_.train(kHead + name + ".weight", linear->weight);
    groups_.push_back(group);
    if (linear->bias.empty()) continue;
    trainable_.train(kHead + name + ".bias", linear->bias);
    groups_.push_back(group);
  }
}

at::TensorOptions TrainableModel::options() const {
  return at::TensorOptions().device(compute_->device()).dtype(compute_->wide());
}

Forward TrainableModel::forward(std::span<const scorer::Encoded* const> items) {
  ops::TrainingStep step = compute_->step();
  step.trainable = &trainable_;
  compute_->set_step(step);
  const scorer::LoadedAdapter& adapter = model_.adapters.front();
  const backend::Batch batch =
      scorer::pack(items, encoder_->prefixes() == scorer::Prefixes::kShared ? scorer::Prefixes::kOfItem
                                                                            : encoder_->prefixes());
  Forward out;
  out.states = model_.bodies[adapter.body]->pooled(*compute_, batch, adapter.spec.pooling, projections_);
  const at::Tensor logits = scorer::item_logits(*compute_, model_, projections_, items, encoder_->columns(),
                                                out.states.contiguous());
  out.logits = class_logits(adapter.spec.output, logits);
  return out;
}

void TrainableModel::set_dropout(const backend::Dropout& dropout) {
  ops::TrainingStep step = compute_->step();
  step.dropout = dropout;
  compute_->set_step(step);
}

void TrainableModel::set_checkpointing(ops::TrainingStep::Blocks blocks) {
  ops::TrainingStep step = compute_->step();
  step.blocks = blocks;
  compute_->set_step(step);
}

std::vector<Parameter> TrainableModel::parameters() const {
  std::vector<Parameter> out;
  for (std::size_t i = 0; i < trainable_.weights().size(); ++i)
    out.push_back({trainable_.weights()[i].name, groups_[i], trainable_.weights()[i].tensor});
  return out;
}

PackageTensors TrainableModel::tensors() const {
  PackageTensors out;
  for (const backend::TrainableWeights::Weight& w : trainable_.weights()) {
    const std::vector<std::int64_t> shape(w.tensor.sizes().begin(), w.tensor.sizes().end());
    for (const auto& [prefix, into] :
         {std::pair{kAdapter, &out.adapter}, std::pair{kHead, &out.head}, std::pair{kBase, &out.base}})
      if (w.name.starts_with(prefix))
        (*into)[w.name.substr(std::strlen(prefix))] = stored_copy(w.tensor, shape);
  }
  return out;
}

}  // namespace preferd::training
