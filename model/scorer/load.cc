#include "model/scorer/load.h"

#include <map>

#include "model/ops/compute.h"
#include "model/package/composite.h"
#include "model/scorer/composite_scorer.h"
#include "model/scorer/package_scorer.h"

namespace preferd {
namespace {

class Loader {
 public:
  explicit Loader(const LoadOptions& options)
      : options_(options), compute_(std::make_shared<Compute>(options.threads)) {}

  Result<std::shared_ptr<Scorer>> load(const std::shared_ptr<const Files>& folder, int depth) {
    if (const auto known = loaded_.find(folder->name()); known != loaded_.end()) return known->second;
    const auto kind = package_kind(*folder);
    if (!kind) return kind.error();
    auto scorer =
        *kind == PackageKind::kPackage ? load_package(folder, compute_, options_) : composite(folder, depth);
    if (scorer) loaded_[folder->name()] = *scorer;
    return scorer;
  }

 private:
  Result<std::shared_ptr<Scorer>> composite(const std::shared_ptr<const Files>& folder, int depth) {
    if (depth == kDeepestComposite)
      return invalid(folder->name() + ": ensembles and cascades are nested more than " +
                     std::to_string(kDeepestComposite) + " deep");
    auto manifest = read_composite(*folder);
    if (!manifest) return manifest.error();
    const std::string where = folder->name() + "/package.json: ";
    std::vector<Member> members;
    int classes = 0;
    for (const MemberSpec& spec : manifest->members) {
      const auto inner = folder->folder(spec.package);
      if (!inner) return invalid(where + "member " + spec.label() + ": " + inner.error().what);
      auto scorer = load(*inner, depth + 1);
      if (!scorer)
        return Error{scorer.error().code, where + "member " + spec.label() + ": " + scorer.error().what, {}};
      const auto own = classes_of(spec, (*scorer)->info());
      if (!own) return invalid(where + "member " + spec.label() + ": " + own.error().what);
      if (classes != 0 && classes != *own)
        return invalid(where + "member " + spec.label() + " tells " + std::to_string(*own) +
                       " classes apart, the members before it " + std::to_string(classes));
      classes = *own;
      members.push_back({spec, std::move(*scorer), classes});
    }
    return manifest->kind == PackageKind::kEnsemble ? make_ensemble(std::move(*manifest), std::move(members))
                                                    : make_cascade(std::move(*manifest), std::move(members));
  }

  static Result<int> classes_of(const MemberSpec& spec, const ScorerInfo& info) {
    if (spec.adapter.empty()) return info.adapters.empty() ? info.classes : info.adapters.front().classes;
    for (const AdapterInfo& a : info.adapters)
      if (a.name == spec.adapter) return a.classes;
    return invalid("it has no adapter '" + spec.adapter + "'");
  }

  LoadOptions options_;
  std::shared_ptr<Compute> compute_;
  std::map<std::string, std::shared_ptr<Scorer>> loaded_;  // by folder
};

}  // namespace

Result<std::shared_ptr<Scorer>> load_scorer(std::shared_ptr<const Files> package,
                                            const LoadOptions& options) {
  return Loader(options).load(package, 0);
}

}  // namespace preferd
