#include "training/model/huggingface.h"

#include <algorithm>

#include "model/checkpoint/fields.h"
#include "model/checkpoint/safetensors_writer.h"
#include "model/convert/base_files.h"

namespace preferd::training {
namespace {

constexpr const char *kConfigFile = "config.json", *kWeightsFile = "model.safetensors";
constexpr const char* kWrapped = "base_model.model.";
constexpr const char* kClass = "ForSequenceClassification";

bool is_one_linear(const package::HeadSpec& head) {
  return head.layers.size() == 1 && head.layers.front().type == package::HeadLayer::Type::kLinear &&
         head.layers.front().out == 1 && !head.layers.front().bias;
}

// "LlamaForCausalLM" -> "LlamaForSequenceClassification"; empty: config.json names no such class.
std::string classifier_of(const Json& config) {
  const auto names = config.find("architectures");
  if (names == config.end() || !names->is_array() || names->empty() || !names->front().is_string()) return "";
  auto name = names->front().get<std::string>();
  if (name == "Gemma3ForCausalLM") name = "Gemma3TextForCausalLM";
  if (const auto task = name.find("For"); task != std::string::npos) return name.substr(0, task) + kClass;
  return name.ends_with("Model") ? name.substr(0, name.size() - 5) + kClass : "";
}

Result<Json> classifier_config(const Files& base) {
  auto config = checkpoint::read_json_object(base, kConfigFile);
  if (!config) return config.error();
  const std::string name = classifier_of(*config);
  if (name.empty())
    return invalid(base.name() +
                   "/config.json: architectures names no class such as LlamaForCausalLM, which huggingface "
                   "needs");
  (*config)["architectures"] = {name};
  (*config)["id2label"] = {{"0", "LABEL_0"}};
  (*config)["label2id"] = {{"LABEL_0", 0}};
  for (const char* dtype : {"dtype", "torch_dtype"})
    if (config->contains(dtype)) (*config)[dtype] = "float32";
  return config;
}

Result<checkpoint::StoredTensor> score_of(const Files& package) {
  auto head = checkpoint::read_safetensors(package, kHeadFile);
  if (!head) return head.error();
  return head->at("layers.0.weight");
}

Status write_weights(const std::string& file, const checkpoint::TensorMap& tensors, AtomicFolder& folder) {
  return folder.write(file, checkpoint::safetensors_text(tensors, {{"format", "pt"}}));
}

// The adapter's names are those of a bare base ("base_model.model.layers.0..."), the classifier's base is a
// member of it.
Status write_adapter(const Files& package, const checkpoint::StoredTensor& score, const PackageForm& form,
                     const std::string& base, AtomicFolder& folder) {
  const std::string bare = kWrapped, inner = bare + form.weight_prefix,
                    at = std::string(kAdapterFolder) + "/";
  auto tensors = checkpoint::read_safetensors(package, at + "adapter_model.safetensors");
  if (!tensors) return tensors.error();
  checkpoint::TensorMap named = {{bare + "score.weight", score}};
  for (const auto& [name, tensor] : *tensors)
    named[name.starts_with(inner) ? name : inner + name.substr(bare.size())] = tensor;
  Json config = form.adapter_config;
  config["task_type"] = "SEQ_CLS";
  config["modules_to_save"] = {"score"};
  config["base_model_name_or_path"] = base;
  if (const Status s = write_weights("adapter_model.safetensors", named, folder); !s) return s;
  return folder.write("adapter_config.json", config.dump(2) + "\n");
}

Status write_model(const Files& package, const checkpoint::StoredTensor& score, const Files& base,
                   AtomicFolder& folder) {
  const auto config = classifier_config(base);
  if (!config) return config.error();
  const auto trained = package.folder("base");
  if (!trained) return trained.error();
  auto tensors = checkpoint::read_checkpoint(**trained);
  if (!tensors) return tensors.error();
  std::erase_if(*tensors, [](const auto& entry) { return entry.first.starts_with("lm_head"); });
  (*tensors)["score.weight"] = score;
  if (const Status s = write_weights(kWeightsFile, *tensors, folder); !s) return s;
  return folder.write(kConfigFile, config->dump(2) + "\n");
}

}  // namespace

Status check_huggingface(Method method, const package::Manifest& m, const families::Family& family) {
  const package::HeadSpec& head = m.adapters.front().head;
  const auto refuse = [](const std::string& what) {
    return invalid("huggingface is true, and transformers' sequence classifiers have no " + what);
  };
  if (method == Method::kHead) return refuse("method head; expected lora or full");
  if (family.mask != families::AttentionMask::kCausal)
    return refuse(std::string("head of this form for ") + family.model_type + "; expected a decoder");
  if (m.max_layers) return refuse("package.base.max_layers");
  if (m.features.set != features::FeatureSet::kNone) return refuse("package.features");
  if (!is_one_linear(head)) return refuse("package.head.layers but one linear with out 1 and bias false");
  if (head.pooling != package::Pooling::kLast || head.at_token || head.normalize != package::Normalize::kNone)
    return refuse("package.head.pooling but last, without normalization and at_token");
  if (!package::traits(head.output).scores_each_response())
    return refuse("package.head.output but difference with one label");
  return Ok{};
}

Status write_huggingface(const std::string& folder, const PackageForm& form, const std::string& target) {
  const auto base = form.json["base"]["path"].get<std::string>();
  const auto package = open_directory(folder);
  if (!package) return package.error();
  const auto files = open_directory(base, Links::kAnywhere);
  if (!files) return files.error();
  const auto score = score_of(**package);
  if (!score) return score.error();
  auto out = AtomicFolder::create(target);
  if (!out) return out.error();
  const bool is_adapter = !form.adapter_config.is_null();
  const Status weights = is_adapter ? write_adapter(**package, *score, form, base, *out)
                                    : write_model(**package, *score, **files, *out);
  if (!weights) return weights;
  const std::set<std::string> own = {kConfigFile, "generation_config.json", kTemplateFile};
  if (const Status s = convert::copy_base_files(base, convert::BaseFiles::kWithoutWeights, own, *out, ""); !s)
    return s;
  if (!form.chat_template.empty())
    if (const Status s = out->write(kTemplateFile, form.chat_template); !s) return s;
  return out->commit();
}

}  // namespace preferd::training
