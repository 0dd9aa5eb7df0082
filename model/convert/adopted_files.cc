// An adoption as a package that lives in memory, and the way to a package whatever the directory holds.
#include <filesystem>

#include "model/convert/adopt.h"
#include "model/convert/traps.h"
#include "model/scorer/inspect.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::convert {
namespace {

// package.json and what was made stand at the root, the adapter's own folder under adapter/.
class AdoptedFiles : public Files {
 public:
  AdoptedFiles(std::string name, std::map<std::string, std::string> files,
               std::shared_ptr<const Files> adapter)
      : name_(std::move(name)),
        files_(std::make_shared<const std::map<std::string, std::string>>(std::move(files))),
        adapter_(std::move(adapter)) {}

  Result<Bytes> open(std::string_view relative) const override {
    const auto it = files_->find(std::string(relative));
    if (it != files_->end()) return Bytes{files_, std::as_bytes(std::span(it->second))};
    if (adapter_ && relative.starts_with(kAdapter)) return adapter_->open(relative.substr(kAdapter.size()));
    return Error{
        Code::kNotFound, name_ + "/" + std::string(relative) + ": no such file in what was adopted", {}};
  }
  bool exists(std::string_view relative) const override {
    return files_->contains(std::string(relative)) ||
           (adapter_ && relative.starts_with(kAdapter) && adapter_->exists(relative.substr(kAdapter.size())));
  }
  std::vector<std::string> list(std::string_view relative) const override {
    std::vector<std::string> names;
    if (relative.empty())
      for (const auto& [path, contents] : *files_) names.push_back(path);
    return names;
  }
  Result<std::shared_ptr<const Files>> folder(std::string_view relative) const override {
    if (relative == "adapter" && adapter_) return adapter_;
    return Error{Code::kNotFound, name_ + "/" + std::string(relative) + ": no such folder", {}};
  }
  std::string name() const override { return name_; }
  Status intact(Look look) const override { return adapter_ ? adapter_->intact(look) : Status(Ok{}); }

 private:
  static constexpr std::string_view kAdapter = "adapter/";

  std::string name_;
  std::shared_ptr<const std::map<std::string, std::string>> files_;
  std::shared_ptr<const Files> adapter_;
};

}  // namespace

Result<std::shared_ptr<const Files>> adopted_files(const Adopted& adopted) {
  auto files = adopted.files;
  files["package.json"] = adopted.manifest.dump(2) + "\n";
  std::shared_ptr<const Files> adapter;
  if (!adopted.adapter.empty()) {
    auto opened = open_directory(adopted.adapter, Links::kAnywhere);
    if (!opened) return opened.error();
    adapter = std::move(*opened);
  }
  return std::shared_ptr<const Files>(std::make_shared<AdoptedFiles>(
      adopted.adapter.empty() ? adopted.base : adopted.adapter, std::move(files), std::move(adapter)));
}

Result<std::vector<std::string>> check_adopted(const std::shared_ptr<const Files>& package) {
  const auto encoder = scorer::PairEncoder::open(package);
  if (!encoder) return encoder.error();
  if (const auto seen = scorer::inspect_package(**encoder); !seen) return seen.error();
  const auto encoded = (*encoder)->encode({.pair = {"Hello.", "Hi.", "Hey."}, .adapter = {}});
  if (!encoded) return encoded.error();
  if (encoded->tokens.prompt == 0 || encoded->tokens.response_a == 0)
    return invalid(package->name() + ": the chat template writes nothing of the " +
                   (encoded->tokens.prompt == 0 ? "prompt" : "response") +
                   ", so that nothing could be judged");
  auto notes = traps_of_base(**encoder);
  if (!notes) return notes;
  auto more = traps_of_text(**encoder);
  if (!more) return more;
  notes->insert(notes->end(), more->begin(), more->end());
  return notes;
}

Result<std::shared_ptr<const Files>> open_package_or_adopt(const std::string& path,
                                                           std::vector<std::string>& notes) {
  auto files = open_directory(path);
  if (!files) return files.error();
  if ((*files)->exists("package.json")) return files;
  auto published = open_directory(path, Links::kAnywhere);
  if (!published) return published.error();
  if (!(*published)->exists("config.json") && !(*published)->exists("adapter_config.json")) return files;
  AdoptOptions options;
  options.directory = path;
  const auto adopted = adopt(options);
  if (!adopted) return adopted.error();
  auto package = adopted_files(*adopted);
  if (!package) return package.error();
  const auto more = check_adopted(*package);
  if (!more) return more.error();
  notes.insert(notes.end(), adopted->notes.begin(), adopted->notes.end());
  notes.insert(notes.end(), more->begin(), more->end());
  return package;
}

}  // namespace preferd::convert
