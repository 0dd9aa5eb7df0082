#include "model/scorer/load.h"

#include <map>

#include "model/ops/compute.h"
#include "model/package/composite.h"
#include "model/scorer/composite_scorer.h"
#include "model/scorer/engine.h"
#include "model/scorer/package_scorer.h"
#include "model/scorer/packer.h"
#include "model/scorer/replicas.h"

namespace preferd::scorer {
namespace {

// Loads the packages of one device.
class Loader {
 public:
  Loader(int threads, const Placement& placement, Golden golden)
      : placement_(placement), golden_(golden), cpu_(std::make_shared<ops::Compute>(threads)) {}

  Result<std::shared_ptr<Scorer>> load(const std::shared_ptr<const Files>& folder, int depth) {
    if (const auto known = loaded_.find(folder->name()); known != loaded_.end()) return known->second;
    const auto kind = package::package_kind(*folder);
    if (!kind) return kind.error();
    auto scorer = *kind == package::PackageKind::kPackage ? load_package(folder, cpu_, placement_, golden_)
                                                          : composite(folder, depth);
    if (scorer) loaded_[folder->name()] = *scorer;
    return scorer;
  }

 private:
  Result<std::shared_ptr<Scorer>> composite(const std::shared_ptr<const Files>& folder, int depth) {
    if (depth == package::kDeepestComposite)
      return invalid(folder->name() + ": ensembles and cascades are nested more than " +
                     std::to_string(package::kDeepestComposite) + " deep");
    auto manifest = package::read_composite(*folder);
    if (!manifest) return manifest.error();
    const std::string where = folder->name() + "/package.json: ";
    std::vector<Member> members;
    int classes = 0;
    for (const package::MemberSpec& spec : manifest->members) {
      const auto inner = folder->folder(spec.package);
      if (!inner) return invalid(where + "member " + spec.label() + ": " + inner.error().what);
      auto scorer = load(*inner, depth + 1);
      if (!scorer)
        return Error{scorer.error().code, where + "member " + spec.label() + ": " + scorer.error().what, {}};
      const auto own = classes_of(spec, (*scorer)->info());
      if (!own) return invalid(where + "member " + spec.label() + ": " + own.error().what);
      if (classes != 0 && classes != *own)
        return invalid(where + "member " + spec.label() + " has " + std::to_string(*own) +
                       " classes, the members before it have " + std::to_string(classes));
      classes = *own;
      members.push_back({spec, std::move(*scorer), classes});
    }
    return manifest->kind == package::PackageKind::kEnsemble
               ? make_ensemble(std::move(*manifest), std::move(members))
               : make_cascade(std::move(*manifest), std::move(members));
  }

  static Result<int> classes_of(const package::MemberSpec& spec, const ScorerInfo& info) {
    if (spec.adapter.empty()) return info.adapters.empty() ? info.classes : info.adapters.front().classes;
    for (const AdapterInfo& a : info.adapters)
      if (a.name == spec.adapter) return a.classes;
    return invalid("it has no adapter '" + spec.adapter + "'");
  }

  Placement placement_;
  Golden golden_;
  std::shared_ptr<ops::Compute> cpu_;
  std::map<std::string, std::shared_ptr<Scorer>> loaded_;  // key: folder
};

Result<std::shared_ptr<Scorer>> load_on_all(const std::shared_ptr<const Files>& package,
                                            const LoadOptions& options) {
  std::vector<std::shared_ptr<Scorer>> replicas;
  for (const Device& device : options.devices) {
    const Placement placement{device, options.compute, options.residency};
    auto scorer = Loader(options.threads, placement, options.golden).load(package, 0);
    if (!scorer) return scorer.error();
    replicas.push_back(std::move(*scorer));
  }
  return replicas.size() == 1 ? replicas.front()
                              : make_replicas(std::move(replicas), kGpuForwardTokens.tokens);
}

}  // namespace

Result<std::shared_ptr<Scorer>> load_scorer(std::shared_ptr<const Files> package,
                                            const LoadOptions& options) {
  return if_intact(*package, load_on_all(package, options));
}

}  // namespace preferd::scorer
