#include "model/convert/merge.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/parallel.h"
#include "model/checkpoint/names.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/convert/base_files.h"
#include "model/convert/generic_pairs.h"
#include "model/convert/manifest_template.h"
#include "model/convert/merged_tensor.h"
#include "model/convert/tensor_copy.h"
#include "model/package/head_tensors.h"
#include "model/scorer/adapter_files.h"
#include "model/scorer/golden.h"
#include "model/scorer/load.h"
#include "model/scorer/model_shape.h"

namespace preferd::convert {
namespace {

using quant::DType;

constexpr const char* kBase = "base";
constexpr const char* kHead = "head.safetensors";
constexpr const char* kGolden = "golden.jsonl";
constexpr const char* kOutput = "lm_head.weight";
constexpr const char* kEmbedding = "embed_tokens.weight";

struct Source {
  std::shared_ptr<const Files> package;
  std::shared_ptr<const scorer::PairEncoder> encoder;
  scorer::ModelShape shape;
  const package::AdapterSpec* adapter = nullptr;
  checkpoint::PeftAdapter peft;
};

// One tensor of the merged checkpoint.
struct Step {
  std::string name;
  checkpoint::StoredTensor tensor;
  const checkpoint::LoraWeights* projection = nullptr;
  const std::vector<float>* magnitude = nullptr;  // of DoRA
  checkpoint::Role role = checkpoint::Role::kVector;
  DType type = DType::kF32;
};

Result<const package::AdapterSpec*> choose(const package::Manifest& manifest, const std::string& name) {
  std::string known;
  for (const package::AdapterSpec& a : manifest.adapters) {
    if (a.path && (name.empty() || a.name == name)) return &a;
    known += (known.empty() ? "" : ", ") + a.name;
  }
  if (!manifest.adapters.front().path)
    return invalid("the package has no adapter, so there is nothing to merge");
  return invalid("the package has no adapter '" + name + "'; there are " + known);
}

// How the base is quantized; empty if it is dense.
std::string quantized_how(const checkpoint::Quantization& q, const scorer::ModelShape& shape) {
  if (q.scheme != checkpoint::Quantization::Scheme::kNone) return word_of(q.scheme);
  if (q.embeddings != checkpoint::Quantization::Embeddings::kNone) return "its input embedding";
  return shape.prequantized ? "config.json says so" : "";
}

Result<Source> open_source(const std::string& path, const MergeOptions& options) {
  Source source;
  auto package = open_directory(path);
  if (!package) return package.error();
  source.package = *package;
  auto encoder = scorer::PairEncoder::open(*package);
  if (!encoder) return encoder.error();
  source.encoder = *encoder;
  const package::Manifest& manifest = (*encoder)->manifest();
  auto shape = scorer::model_shape(**encoder);
  if (!shape) return shape.error();
  source.shape = std::move(*shape);
  if (const std::string how = quantized_how(manifest.quantization, source.shape); !how.empty())
    return invalid((*encoder)->base().name() + ": the base is quantized (" + how +
                   "), and rounding the sum to its few levels again would lose most of the adapter; merge "
                   "into the dense base that it was made from, or serve the adapter unmerged");
  const auto adapter = choose(manifest, options.adapter);
  if (!adapter) return adapter.error();
  source.adapter = *adapter;
  auto files = scorer::read_adapter(**encoder, source.shape, *source.adapter);
  if (!files) return files.error();
  source.peft = std::move(files->peft);
  return source;
}

DType merged_type(DType stored, MergedType wanted) {
  switch (wanted) {
    case MergedType::kF32: return DType::kF32;
    case MergedType::kBF16: return DType::kBF16;
    case MergedType::kF16: return DType::kF16;
    case MergedType::kKept: return stored == DType::kF64 ? DType::kF32 : stored;
  }
  return stored;
}

bool touches(const Source& source, const std::string& module) {
  return source.peft.projections.contains(module) || source.peft.saved.contains(module + ".weight");
}

Result<std::vector<Step>> plan_steps(const Source& source, const MergeOptions& options, MergeReport& report) {
  auto tensors = checkpoint::read_checkpoint(source.encoder->base());
  if (!tensors) return tensors.error();
  const checkpoint::BareNames bare(*tensors, source.shape.prefix);
  std::map<std::string, checkpoint::Role> roles;
  for (const checkpoint::Declared& d : source.shape.tensors) roles[d.name] = d.role;
  report.unties =
      source.shape.tied && (touches(source, "embed_tokens") || source.peft.saved.contains(kOutput));
  std::vector<Step> steps;
  std::optional<Step> output;
  for (auto& [name, tensor] : *tensors) {
    const std::string plain = bare(name);
    Step step{name, std::move(tensor)};
    step.type = quant::is_floating(step.tensor.dtype) ? merged_type(step.tensor.dtype, options.type)
                                                      : step.tensor.dtype;
    if (checkpoint::is_of_head(plain) && !package::traits(source.adapter->head.output).reads_lm_head()) {
      const auto trained = source.peft.head.find(plain);
      if (trained == source.peft.head.end()) continue;
      step.tensor = trained->second;
      step.type = merged_type(step.tensor.dtype, options.type);
    }
    if (report.unties && plain == kOutput) continue;
    if (report.unties && plain == kEmbedding)
      output = Step{kOutput, step.tensor, nullptr, nullptr, checkpoint::Role::kOutput, step.type};
    if (const auto role = roles.find(plain); role != roles.end()) step.role = role->second;
    if (const auto saved = source.peft.saved.find(plain); saved != source.peft.saved.end()) {
      step.tensor = saved->second;
      ++report.replaced;
    }
    if (plain.ends_with(".weight"))
      if (const auto projection = source.peft.projections.find(plain.substr(0, plain.size() - 7));
          projection != source.peft.projections.end()) {
        step.projection = &projection->second;
        if (const auto found = source.peft.magnitudes.find(projection->first);
            found != source.peft.magnitudes.end())
          step.magnitude = &found->second;
        ++report.projections;
      }
    steps.push_back(std::move(step));
  }
  if (output)
    if (const auto saved = source.peft.saved.find(kOutput); saved != source.peft.saved.end()) {
      output->tensor = saved->second;
      ++report.replaced;
    }
  if (output) steps.push_back(std::move(*output));
  PREFERD_CHECK(report.projections == source.peft.projections.size() &&
                report.replaced == source.peft.saved.size());
  return steps;
}

Status write_weights(const std::vector<Step>& steps, const MergeOptions& options, const std::string& folder,
                     const ByteProgress& progress) {
  std::vector<checkpoint::PlannedTensor> plan;
  std::size_t all = 0, done = 0;
  for (const Step& s : steps) {
    plan.push_back({s.name, s.type, s.tensor.shape});
    all += s.tensor.bytes.size();
  }
  checkpoint::CheckpointWriter out(folder, plan, options.shard_bytes);
  ThreadPool pool(options.threads);
  for (const Step& s : steps) {
    std::optional<RowDelta> delta;
    if (s.projection != nullptr) {
      checkpoint::LoraWeights lora = *s.projection;
      if (s.magnitude != nullptr)
        lora.dora = checkpoint::dora_gain(*s.magnitude, checkpoint::dense_matrix(s.tensor), {}, lora, pool);
      delta = row_delta(lora, s.role);
    }
    const Status written = !delta && s.type == s.tensor.dtype
                               ? copy_tensor(s.name, s.tensor, out)
                               : write_merged(s.name, s.tensor, delta ? &*delta : nullptr, s.type, pool, out);
    if (!written) return written.error();
    done += s.tensor.bytes.size();
    if (progress) progress(done, all);
  }
  return out.finish();
}

Status write_config(const Source& source, const MergeOptions& options, const MergeReport& report,
                    AtomicFolder& folder) {
  const auto bytes = source.encoder->base().open("config.json");
  if (!bytes) return bytes.error();
  auto config = OrderedJson::parse(bytes->text());
  constexpr const char* kTypes[] = {"", "float32", "bfloat16", "float16"};
  if (options.type != MergedType::kKept) {
    const char* key = config.contains("dtype") ? "dtype" : "torch_dtype";
    config.erase("torch_dtype");
    config[key] = kTypes[static_cast<int>(options.type)];
  }
  if (report.unties) config["tie_word_embeddings"] = false;
  return folder.write(std::string(kBase) + "/config.json", config.dump(2) + "\n");
}

// Writes the head as a file of its own; returns package.json without adapter and golden pairs.
Result<OrderedJson> write_head(const Source& source, AtomicFolder& folder) {
  const auto bytes = source.package->open("package.json");
  if (!bytes) return bytes.error();
  auto json = OrderedJson::parse(bytes->text());
  if (json.contains("adapters"))
    for (const OrderedJson& a : json["adapters"])
      if (a["name"] == source.adapter->name && a.contains("head")) json["head"] = OrderedJson(a["head"]);
  for (const char* gone : {"adapter", "adapters", "golden"}) json.erase(gone);
  json["base"]["path"] = kBase;
  const std::string revision = json.value("revision", "");
  json["revision"] = revision.empty() ? "merged" : revision + "-merged";
  const package::HeadSpec& spec = source.adapter->head;
  if (package::traits(spec.output).reads_lm_head()) return json;
  json["head"]["file"] = kHead;
  if (spec.file) {
    const auto file = source.package->open(*spec.file);
    if (!file) return file.error();
    if (const Status s = folder.write(kHead, file->text()); !s) return s.error();
    return json;
  }
  auto named = package::head_from_adapter(spec, source.peft.head, *source.adapter->path);
  if (!named) return named.error();
  if (const Status s = folder.write(kHead, checkpoint::safetensors_text(*named, {{"format", "pt"}})); !s)
    return s.error();
  return json;
}

Result<std::vector<scorer::GoldenPair>> pairs_of(const Source& source) {
  const package::Manifest& manifest = source.encoder->manifest();
  if (!manifest.golden) return generic_pairs();
  return scorer::read_golden(*source.package, *manifest.golden);
}

Result<std::vector<scorer::Verdict>> verdicts_of(const std::shared_ptr<const Files>& package, int threads,
                                                 const std::vector<scorer::GoldenPair>& pairs) {
  auto scorer = scorer::load_scorer(package, {.threads = threads, .compute = scorer::ComputeType::kFp32});
  if (!scorer) return scorer.error();
  return scorer::score_golden(pairs, **scorer);
}

void compare(const std::vector<scorer::Verdict>& before, const std::vector<scorer::Verdict>& after,
             MergeReport& report) {
  report.pairs = before.size();
  const auto worst = [](const std::vector<float>& a, const std::vector<float>& b) {
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
      most = std::max(most, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    return most;
  };
  for (std::size_t i = 0; i < before.size(); ++i) {
    report.worst_logit = std::max(report.worst_logit, worst(before[i].logits, after[i].logits));
    report.worst_probability =
        std::max(report.worst_probability, worst(before[i].probabilities, after[i].probabilities));
    report.flips += before[i].winner != after[i].winner ? 1 : 0;
  }
}

// The largest error that rounding to the coarsest type in use may cause.
double tolerance_of(const MergeOptions& options, const std::vector<Step>& steps) {
  if (options.tolerance) return *options.tolerance;
  const MergedTolerance known;
  double largest = known.fp32;
  for (const Step& s : steps) {
    if (s.type == DType::kBF16) largest = std::max(largest, known.bf16);
    if (s.type == DType::kF16) largest = std::max(largest, known.fp16);
  }
  return largest;
}

Result<MergeReport> merge_source(const Source& source, const MergeOptions& options, AtomicFolder& folder,
                                 const ByteProgress& progress) {
  MergeReport report;
  report.adapter = source.adapter->name;
  auto pairs = pairs_of(source);
  if (!pairs) return pairs.error();
  for (scorer::GoldenPair& pair : *pairs) pair.ask.adapter = report.adapter;
  const auto before = verdicts_of(source.package, options.threads, *pairs);
  if (!before) return before.error();

  const auto steps = plan_steps(source, options, report);
  if (!steps) return steps.error();
  report.tolerance = tolerance_of(options, *steps);
  if (const Status s = copy_base_files(source.encoder->base().name(), BaseFiles::kWithoutWeights,
                                       {"config.json"}, folder, kBase);
      !s)
    return s.error();
  if (const Status s = write_config(source, options, report, folder); !s) return s.error();
  if (const Status s = write_weights(*steps, options, folder.path() + "/" + kBase, progress); !s)
    return s.error();
  auto json = write_head(source, folder);
  if (!json) return json.error();
  const package::FeatureSpec& features = source.encoder->manifest().features;
  if (features.standardize) {
    const auto file = source.package->open(features.file);
    if (!file) return file.error();
    if (const Status s = folder.write(features.file, file->text()); !s) return s.error();
  }
  if (const Status s = folder.write("package.json", json->dump(2) + "\n"); !s) return s.error();

  const auto merged = open_directory(folder.path());
  if (!merged) return merged.error();
  auto scorer = scorer::load_scorer(
      *merged,
      {.threads = options.threads, .compute = scorer::ComputeType::kFp32, .golden = scorer::Golden::kSkip});
  if (!scorer) return scorer.error();
  for (scorer::GoldenPair& pair : *pairs) pair.ask.adapter.clear();
  const auto after = scorer::score_golden(*pairs, **scorer);
  if (!after) return after.error();
  compare(*before, *after, report);
  if (const Status s = folder.write(kGolden, scorer::golden_text(*pairs, *after)); !s) return s.error();
  (*json)["golden"] = kGolden;
  if (const Status s = folder.write("package.json", json->dump(2) + "\n"); !s) return s.error();
  if (const auto verified = scorer::verify_golden(**merged, kGolden, **scorer, scorer::kFp32Tolerance);
      !verified)
    return verified.error();
  return report;
}

}  // namespace

Result<MergeReport> merge_package(const std::string& package, const MergeOptions& options,
                                  AtomicFolder& folder, const ByteProgress& progress) {
  const auto source = open_source(package, options);
  if (!source) return source.error();
  return if_intact(*source->encoder, merge_source(*source, options, folder, progress));
}

}  // namespace preferd::convert
