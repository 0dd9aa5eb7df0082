#include "model/convert/pack.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <string_view>

#include "base/json.h"
#include "model/checkpoint/fields.h"
#include "model/convert/base_files.h"
#include "model/convert/generic_pairs.h"
#include "model/convert/golden_rows.h"
#include "model/package/output.h"
#include "model/scorer/golden.h"
#include "model/scorer/load.h"
#include "rows/rows.h"

namespace preferd::convert {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBase = "base";
constexpr const char* kGolden = "golden.jsonl";
constexpr const char* kFormat = "preferd-package/1";

// A part: where it is, and where it goes in the package.
struct Piece {
  std::string from, to;
};

struct Plan {
  OrderedJson json;
  std::string base;             // directory
  std::vector<Piece> adapters;  // directories
  std::vector<Piece> files;
  std::map<std::string, std::string> made;  // path in the package -> contents
  std::string manifest;                     // where it was read; "" if it was made from the template
};

Result<OrderedJson> read_ordered(const std::string& path) {
  const auto bytes = map_file(path);
  if (!bytes) return bytes.error();
  const auto strict = parse_json(bytes->text(), {.max_bytes = 16u << 20});
  if (!strict) return invalid(path + ": " + strict.error().what);
  if (!strict->is_object()) return invalid(path + ": expected a JSON object, found " + describe(*strict));
  for (const char* key : {"base", "quantization", "adapter", "features", "head"})
    if (strict->contains(key) && !(*strict)[key].is_object())
      return invalid(path + ": " + key + " is " + describe((*strict)[key]) + ", expected an object");
  if (strict->contains("adapters") && !(*strict)["adapters"].is_array())
    return invalid(path + ": adapters is " + describe((*strict)["adapters"]) + ", expected an array");
  return OrderedJson::parse(bytes->text());
}

// Loading checks the rest.
Status check_format(const OrderedJson& json, const std::string& path) {
  if (json.contains("format") && json["format"] != kFormat)
    return invalid(path + ": format is " + json["format"].dump() + ", expected '" + kFormat + "'");
  return Ok{};
}

// A text member of an object, or "".
std::string text_in(const OrderedJson& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

std::string below(const std::string& folder, const std::string& path) {
  return fs::path(path).is_absolute() ? path : (fs::path(folder) / path).lexically_normal().string();
}

bool plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
}

// Plans to copy the file that `section` names (or `given`) into the package as `to`.
void place_file(OrderedJson& section, const std::string& given, const std::string& folder,
                const std::string& to, Plan& plan) {
  const std::string said = text_in(section, "file");
  if (given.empty() && said.empty()) return;
  plan.files.push_back({given.empty() ? below(folder, said) : given, to});
  section["file"] = to;
}

// The given adapters, or else the manifest's; each goes into a folder of its own.
Status place_adapters(const PackOptions& options, const std::string& folder, Plan& plan) {
  OrderedJson old = OrderedJson::array();
  if (plan.json.contains("adapters") && plan.json["adapters"].is_array()) old = plan.json["adapters"];
  if (plan.json.contains("adapter")) old.push_back(plan.json["adapter"]);
  std::vector<std::pair<std::string, std::string>> wanted = options.adapters;
  if (wanted.empty())
    for (const OrderedJson& a : old)
      wanted.emplace_back(text_in(a, "name"), below(folder, text_in(a, "path")));
  plan.json.erase("adapter");
  plan.json.erase("adapters");
  if (wanted.size() == 1 && wanted.front().first.empty()) {
    plan.adapters.push_back({wanted.front().second, "adapter"});
    plan.json["adapter"] = {{"path", "adapter"}};
    return Ok{};
  }
  for (const auto& [name, path] : wanted) {
    if (!plain_name(name))
      return invalid("adapter '" + name + "' of " + path +
                     ": expected a name of letters, digits, '-', '_' and '.' for each of several");
    const std::string to = "adapters/" + name;
    plan.adapters.push_back({path, to});
    OrderedJson entry = {{"name", name}, {"path", to}};
    for (const OrderedJson& a : old)
      if (text_in(a, "name") == name && a.contains("head")) {
        entry["head"] = a["head"];
        place_file(entry["head"], "", folder, "heads/" + name + ".safetensors", plan);
      }
    plan.json["adapters"].push_back(entry);
  }
  return Ok{};
}

Status refuse_pickle(const std::string& adapter) {
  if (fs::exists(adapter + "/adapter_model.safetensors") || !fs::exists(adapter + "/adapter_model.bin"))
    return Ok{};
  return invalid(
      adapter +
      "/adapter_model.bin: is a pickle, which is not read; write it as safetensors with: python3 -c \"import "
      "torch, safetensors.torch as s; s.save_file({k: v.contiguous() for k, v in "
      "torch.load('adapter_model.bin', weights_only=True).items()}, 'adapter_model.safetensors')\"");
}

Result<ManifestTemplate> make_manifest(const PackOptions& options) {
  std::shared_ptr<const Files> base, adapter;
  Bytes head;
  if (!options.adapters.empty()) {
    if (const Status s = refuse_pickle(options.adapters.front().second); !s) return s.error();
    auto opened = open_directory(options.adapters.front().second, Links::kAnywhere);
    if (!opened) return opened.error();
    adapter = *opened;
  }
  if (!options.base.empty()) {
    auto opened = open_directory(options.base, Links::kAnywhere);
    if (opened) base = *opened;  // else the error is told where the base is placed
  }
  if (!options.head.empty()) {
    auto opened = map_file(options.head);
    if (!opened) return opened.error();
    head = *opened;
  }
  return manifest_template(options.template_options, base.get(), adapter.get(),
                           options.head.empty() ? nullptr : &head);
}

Result<Plan> make_plan(const PackOptions& options) {
  Plan plan;
  std::string folder;
  if (options.manifest.empty()) {
    auto manifest = make_manifest(options);
    if (!manifest) return manifest.error();
    plan.json = std::move(manifest->json);
    plan.made = std::move(manifest->files);
  } else {
    auto json = read_ordered(options.manifest);
    if (!json) return json.error();
    plan.json = std::move(*json);
    if (const Status s = check_format(plan.json, options.manifest); !s) return s.error();
    plan.manifest = options.manifest;
    folder = fs::path(options.manifest).parent_path().string();
    if (!options.template_options.name.empty()) plan.json["name"] = options.template_options.name;
  }
  if (!plan.json.contains("format")) plan.json["format"] = kFormat;
  plan.json.erase("golden");
  const std::string said = plan.json.contains("base") ? text_in(plan.json["base"], "path") : "";
  if (options.base.empty() && said.empty())
    return invalid("there is no base: expected a model directory, or base.path in the manifest");
  std::error_code ec;
  const fs::path base = fs::canonical(options.base.empty() ? below(folder, said) : options.base, ec);
  if (ec)
    return invalid(
        (options.base.empty() ? below(folder, said) : options.base) + ": " + ec.message() +
        "; a base is a folder on this disk, as 'hf download NAME --local-dir FOLDER' makes it: nothing "
        "is downloaded here");
  plan.base = base.string();
  plan.json["base"]["path"] = plan.base;
  if (const Status s = place_adapters(options, folder, plan); !s) return s.error();
  if (plan.json.contains("head") && plan.made.empty())
    place_file(plan.json["head"], options.head, folder, "head.safetensors", plan);
  if (plan.json.contains("features") && text_in(plan.json["features"], "scaling") == "standard" &&
      text_in(plan.json["features"], "file").empty())
    plan.json["features"]["file"] = "features.safetensors";
  if (plan.json.contains("features"))
    place_file(plan.json["features"], options.features, folder, "features.safetensors", plan);
  else if (!options.features.empty())
    return invalid(options.features + " is given, and the manifest has no features");
  if (options.quantization) plan.json["quantization"] = *options.quantization;
  if (plan.json.contains("quantization")) return plan;
  const auto files = open_directory(plan.base, Links::kAnywhere);
  if (!files) return files.error();
  auto stored = stored_quantization(**files);
  if (!stored) return stored.error();
  if (!stored->is_null()) plan.json["quantization"] = std::move(*stored);
  return plan;
}

// The package is loaded from where it is made, but people know the parts: rewrites the error's paths.
Error told_by_parts(Error error, const Plan& plan, const std::string& made) {
  std::vector<Piece> all = plan.adapters;
  all.insert(all.end(), plan.files.begin(), plan.files.end());
  if (!plan.manifest.empty()) all.push_back({plan.manifest, "package.json"});
  for (const Piece& part : all) {
    const std::string there = made + "/" + part.to;
    for (std::size_t at = error.what.find(there); at != std::string::npos;
         at = error.what.find(there, at + part.from.size()))
      error.what.replace(at, there.size(), part.from);
  }
  return error;
}

Status write_manifest(const OrderedJson& json, AtomicFolder& folder) {
  return folder.write("package.json", json.dump(2) + "\n");
}

Status copy_adapter(const Piece& part, AtomicFolder& folder) {
  if (const Status s = refuse_pickle(part.from); !s) return s;
  for (const char* file : {"adapter_config.json", "adapter_model.safetensors"})
    if (const Status s = folder.copy(part.from + "/" + file, part.to + "/" + file); !s) return s.error();
  return Ok{};
}

Result<std::vector<scorer::GoldenPair>> golden_pairs(const PackOptions& options,
                                                     const std::vector<scorer::AdapterInfo>& adapters) {
  auto pairs = options.golden_rows.empty() ? generic_pairs() : read_golden_rows(options.golden_rows);
  if (!pairs) return pairs.error();
  for (std::size_t i = 0; adapters.size() > 1 && i < pairs->size(); ++i)
    if ((*pairs)[i].ask.adapter.empty()) (*pairs)[i].ask.adapter = adapters[i % adapters.size()].name;
  return pairs;
}

// Reorders heads that were trained in another order of the classes, in the package's copies.
Status reorder_heads(const PackOptions& options, const Plan& plan, const std::string& made) {
  const std::string there = made + "/";
  const auto reorder = [&](const OrderedJson& head, const std::string& adapter) {
    const std::string file = text_in(head, "file");
    return options.labels.reorder(there + (file.empty() ? adapter + "/adapter_model.safetensors" : file),
                                  head);
  };
  if (options.labels.ours()) return Ok{};
  const OrderedJson& head = plan.json["head"];
  if (const std::string output = text_in(head, "output");
      std::ranges::any_of(package::kOutputs, [&](const package::OutputTraits& row) {
        return output == row.word && (row.reads_lm_head() || row.per_response());
      }))
    return invalid("labels: a head of output " + output + " has no order of classes");
  if (!plan.json.contains("adapters")) return reorder(head, "adapter");
  const bool shared = !text_in(head, "file").empty();
  if (shared)
    if (const Status s = reorder(head, ""); !s) return s;
  for (const OrderedJson& a : plan.json["adapters"]) {
    if (!a.contains("head") && shared) continue;
    if (const Status s = reorder(a.contains("head") ? a["head"] : head, text_in(a, "path")); !s) return s;
  }
  return Ok{};
}

Result<std::string> record(const PackOptions& options, const std::string& made, std::size_t& compared) {
  const auto files = open_directory(made);
  if (!files) return files.error();
  auto scorer = scorer::load_scorer(
      *files,
      {.threads = options.threads, .compute = scorer::ComputeType::kFp32, .golden = scorer::Golden::kSkip});
  if (!scorer) return scorer.error();
  auto pairs = golden_pairs(options, (*scorer)->info().adapters);
  if (!pairs) return pairs.error();
  const auto verdicts = scorer::score_golden(*pairs, **scorer);
  if (!verdicts) return verdicts.error();
  const auto agreed = compare_logits(*pairs, *verdicts, options.labels, options.golden_rows);
  if (!agreed) return agreed.error();
  compared = *agreed;
  return scorer::golden_text(std::move(*pairs), *verdicts);
}

}  // namespace

Result<PackReport> make_package(const PackOptions& options, AtomicFolder& folder) {
  PackReport report;
  auto plan = make_plan(options);
  if (!plan) return plan.error();
  for (const Piece& part : plan->adapters)
    if (const Status s = copy_adapter(part, folder); !s) return s.error();
  for (const Piece& part : plan->files)
    if (const Status s = folder.copy(part.from, part.to); !s) return s.error();
  for (const auto& [path, contents] : plan->made)
    if (const Status s = folder.write(path, contents); !s) return s.error();
  if (const Status s = write_manifest(plan->json, folder); !s) return s.error();
  if (const Status s = reorder_heads(options, *plan, folder.path()); !s)
    return told_by_parts(s.error(), *plan, folder.path());
  const auto golden = record(options, folder.path(), report.compared);
  if (!golden) return told_by_parts(golden.error(), *plan, folder.path());

  if (options.placed == PackOptions::Base::kCopied) {
    if (const Status s = copy_base_files(plan->base, BaseFiles::kAll, {}, folder, kBase); !s)
      return s.error();
    plan->json["base"]["path"] = kBase;
  }
  plan->json["golden"] = kGolden;
  if (const Status s = folder.write(kGolden, *golden); !s) return s.error();
  if (const Status s = write_manifest(plan->json, folder); !s) return s.error();
  const auto files = open_directory(folder.path());
  if (!files) return files.error();
  const auto scorer =
      scorer::load_scorer(*files, {.threads = options.threads, .compute = scorer::ComputeType::kFp32});
  if (!scorer) return told_by_parts(scorer.error(), *plan, folder.path());
  return report;
}

}  // namespace preferd::convert
