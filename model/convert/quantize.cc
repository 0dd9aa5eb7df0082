#include "model/convert/quantize.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/parallel.h"
#include "model/checkpoint/bitsandbytes_layout.h"
#include "model/checkpoint/fields.h"
#include "model/checkpoint/names.h"
#include "model/convert/base_files.h"
#include "model/convert/tensor_copy.h"
#include "model/quant/block4.h"
#include "model/quant/int8_row.h"
#include "model/scorer/model_shape.h"

namespace preferd::convert {
namespace {

using Scheme = checkpoint::Quantization::Scheme;
using OrderedJson = nlohmann::ordered_json;

struct Step {
  std::string name;  // as in the file
  checkpoint::StoredTensor tensor;
  const checkpoint::Declared* declared = nullptr;  // null: not part of the body
  checkpoint::Quantization form{};                 // how it is stored; kNone: unchanged
};

struct Work {
  std::vector<Step> steps;
  std::vector<std::string> skipped;  // modules
};

// How a linear, or an embedding, is stored.
checkpoint::Quantization form_of(const checkpoint::Declared& declared, const QuantizeOptions& options) {
  checkpoint::Quantization form = options.form;
  if (declared.role == checkpoint::Role::kLinear) return form;
  form.scheme = Scheme::kNone;
  if (declared.role == checkpoint::Role::kEmbedding &&
      form.embeddings == checkpoint::Quantization::Embeddings::kInt8Row)
    form.scheme = Scheme::kInt8;
  if (declared.role == checkpoint::Role::kEmbedding &&
      form.embeddings == checkpoint::Quantization::Embeddings::kNf4)
    form.scheme = Scheme::kNf4;
  return form;
}

std::string wrong_with(const Step& step) {
  using quant::DType;
  if (step.declared == nullptr) return {};
  if (step.tensor.shape != step.declared->shape)
    return "is " + checkpoint::shape_text(step.tensor.shape) + ", expected " +
           checkpoint::shape_text(step.declared->shape);
  const DType type = step.tensor.dtype;
  if (type == DType::kF32 || type == DType::kF16 || type == DType::kBF16) return {};
  return std::string("is ") + quant::name_of(type) + ", expected BF16, F16 or F32";
}

Result<Work> plan_work(const std::string& where, const scorer::ModelShape& shape,
                       const checkpoint::TensorMap& tensors, const QuantizeOptions& options) {
  Work work;
  const checkpoint::BareNames bare(tensors, shape.prefix);
  std::map<std::string, const checkpoint::Declared*> body;
  for (const checkpoint::Declared& d : shape.tensors) body[d.name] = &d;
  std::vector<std::string> strays, wrong;
  std::set<std::string> unused(options.form.skip.begin(), options.form.skip.end());
  for (const auto& [name, tensor] : tensors) {
    const std::string plain = bare(name);
    if (const auto [weight, part] = checkpoint::split_component(plain); !part.empty())
      return invalid(where + ": " + name +
                     " belongs to a weight that is quantized already; expected a dense checkpoint");
    Step step{name, tensor};
    const auto found = body.find(plain);
    if (found == body.end()) {
      if (!checkpoint::may_stay_unread(plain, static_cast<int>(shape.layers),
                                       static_cast<int>(shape.all_layers)))
        strays.push_back(name);
    } else {
      step.declared = found->second;
      step.form = form_of(*step.declared, options);
      body.erase(found);
    }
    if (const std::string why = wrong_with(step); !why.empty()) wrong.push_back(name + " " + why);
    if (step.declared != nullptr && step.declared->role == checkpoint::Role::kLinear) {
      const std::string module = plain.substr(0, plain.rfind('.'));
      for (const std::string& entry : options.form.skip)
        if (checkpoint::skipped({entry}, module)) {
          unused.erase(entry);
          step.form.scheme = Scheme::kNone;
        }
      if (step.form.scheme == Scheme::kNone) work.skipped.push_back(module);
    }
    work.steps.push_back(std::move(step));
  }
  std::vector<std::string> missing;
  for (const auto& [name, d] : body) missing.push_back(name);
  if (!wrong.empty()) return invalid(where + ": " + checkpoint::list_of(wrong));
  if (!missing.empty()) return invalid(where + ": missing tensors: " + checkpoint::list_of(missing));
  if (!strays.empty())
    return invalid(where + ": tensors that no part of " + shape.family +
                   " reads: " + checkpoint::list_of(strays));
  if (!unused.empty()) return invalid("skip: '" + *unused.begin() + "' names no linear of the body");
  return work;
}

// As transformers 5 writes it. The names to skip are written only if there are some: without them
// transformers finds the LM head and the head by itself.
Json quantization_config(const checkpoint::Quantization& form, const std::vector<std::string>& skip,
                         quant::DType dtype) {
  const bool four = form.scheme != Scheme::kInt8;
  const char* compute = !four || dtype == quant::DType::kF32 ? "float32"
                        : dtype == quant::DType::kF16        ? "float16"
                                                             : "bfloat16";
  Json modules = nullptr;
  if (!skip.empty()) {
    modules = skip;
    for (const char* head : {"lm_head", "score", "classifier"}) modules.push_back(head);
  }
  return {{"_load_in_4bit", four},
          {"_load_in_8bit", !four},
          {"bnb_4bit_compute_dtype", compute},
          {"bnb_4bit_quant_storage", "uint8"},
          {"bnb_4bit_quant_type", four ? word_of(form.scheme) : "fp4"},
          {"bnb_4bit_use_double_quant", form.double_quant},
          {"llm_int8_enable_fp32_cpu_offload", false},
          {"llm_int8_has_fp16_weight", false},
          {"llm_int8_skip_modules", modules},
          {"llm_int8_threshold", 6.0},
          {"load_in_4bit", four},
          {"load_in_8bit", !four},
          {"quant_method", "bitsandbytes"}};
}

Status write_config(const Files& input, const Work& work, const checkpoint::Quantization& form,
                    AtomicFolder& folder) {
  const auto bytes = input.open("config.json");
  if (!bytes) return bytes.error();
  auto dtype = quant::DType::kF32;
  for (const Step& s : work.steps)
    if (s.declared != nullptr && s.declared->role == checkpoint::Role::kLinear) dtype = s.tensor.dtype;
  auto config = OrderedJson::parse(bytes->text());
  config["quantization_config"] = quantization_config(form, work.skipped, dtype);
  return folder.write("config.json", config.dump(2) + "\n");
}

quant::Matrix encoded(const Step& step, ThreadPool& pool) {
  const quant::Matrix dense = checkpoint::dense_matrix(step.tensor);
  if (step.form.scheme == Scheme::kInt8)
    return quant::encode_int8_row(dense,
                                  step.declared->role == checkpoint::Role::kEmbedding
                                      ? quant::Int8Source::kAsStored
                                      : quant::Int8Source::kThroughFp16,
                                  &pool);
  return quant::encode_block4(
      dense, step.form.scheme == Scheme::kNf4 ? quant::Code4::kNf4 : quant::Code4::kFp4, step.form.block_size,
      step.form.double_quant ? quant::ScaleForm::kDouble : quant::ScaleForm::kFloat, &pool);
}

Status write_encoded(const Step& step, ThreadPool& pool, checkpoint::CheckpointWriter& out) {
  const quant::Matrix matrix = encoded(step, pool);
  release_pages(step.tensor.bytes);
  if (const auto* q = std::get_if<quant::Int8Row>(&matrix.form))
    if (!std::all_of(q->scale, q->scale + matrix.rows, [](float x) { return std::isfinite(x); }))
      return invalid(step.name +
                     " holds values beyond fp16, to which int8 converts them first; expected at most 65504");
  for (const checkpoint::WeightPart& part : checkpoint::weight_parts(*step.declared, step.name, matrix))
    if (const Status s = out.write(part.name, part.data()); !s) return s.error();
  return Ok{};
}

Result<QuantizeReport> quantize_files(const Files& files, const QuantizeOptions& options,
                                      AtomicFolder& folder, const ByteProgress& progress) {
  const auto shape = scorer::base_shape(files);
  if (!shape) return shape.error();
  const std::string where = files.name();
  if (shape->prequantized)
    return invalid(where +
                   "/config.json: has quantization_config, so the base is quantized already; expected a "
                   "dense checkpoint");
  if (std::none_of(shape->tensors.begin(), shape->tensors.end(),
                   [](const checkpoint::Declared& d) { return d.role == checkpoint::Role::kLinear; }))
    return invalid(where + "/config.json: model_type is " + shape->family +
                   ", which has no linear layers to quantize; expected another family");
  auto tensors = checkpoint::read_checkpoint(files);
  if (!tensors) return tensors.error();
  const auto work = plan_work(where, *shape, *tensors, options);
  if (!work) return work.error();

  QuantizeReport report{.family = shape->family};
  std::vector<checkpoint::PlannedTensor> plan;
  for (const Step& step : work->steps) {
    report.bytes_in += step.tensor.bytes.size();
    if (step.form.scheme == Scheme::kNone) {
      plan.push_back({step.name, step.tensor.dtype, step.tensor.shape});
      continue;
    }
    for (checkpoint::PlannedTensor& part : checkpoint::planned_parts(*step.declared, step.name, step.form))
      plan.push_back(std::move(part));
  }
  checkpoint::CheckpointWriter out(folder.path(), plan, options.shard_bytes);
  ThreadPool pool(options.threads);
  std::size_t done = 0;
  for (const Step& step : work->steps) {
    const bool dense = step.form.scheme == Scheme::kNone;
    if (!finite_in_pieces(step.tensor)) return invalid(where + ": " + step.name + " holds NaN or infinity");
    const Status written = dense ? copy_tensor(step.name, step.tensor, out) : write_encoded(step, pool, out);
    if (!written) return written.error();
    ++(dense ? report.dense : report.quantized);
    done += step.tensor.bytes.size();
    if (progress) progress(done, report.bytes_in);
  }
  if (const Status s = out.finish(); !s) return s.error();
  report.bytes_out = out.bytes();
  report.shards = out.shards();
  if (const Status s = write_config(files, *work, options.form, folder); !s) return s.error();
  if (const Status s = copy_base_files(where, BaseFiles::kWithoutWeights, {"config.json"}, folder, ""); !s)
    return s.error();
  return report;
}

}  // namespace

Result<QuantizeReport> quantize_checkpoint(const std::string& input, const QuantizeOptions& options,
                                           AtomicFolder& folder, const ByteProgress& progress) {
  PREFERD_CHECK(options.form.scheme != Scheme::kNone);
  const auto files = open_directory(input, Links::kAnywhere);
  if (!files) return files.error();
  return if_intact(**files, quantize_files(**files, options, folder, progress));
}

}  // namespace preferd::convert
