#include "model/package/composite.h"

#include <cmath>
#include <filesystem>

#include "model/package/section.h"

namespace preferd::package {
namespace {

constexpr std::size_t kMostMembers = 64;
constexpr const char* kFormats[] = {"preferd-package/1", "preferd-ensemble/1", "preferd-cascade/1"};

// Names of folders below this one and nothing else: one way to write a member, so that one is loaded once.
bool is_plain(const std::string& path) {
  if (path.empty() || path.ends_with('/')) return false;
  for (const auto& part : std::filesystem::path(path))
    if (part.empty() || part == "." || part == ".." || part == "/") return false;
  return path.find("//") == std::string::npos;
}

MemberSpec read_member(ObjectReader s, PackageKind kind, std::size_t index) {
  MemberSpec m;
  s.text("package", m.package, "folder of the member", {.required = true});
  if (s.has("package") && s.at("package").is_string() && !is_plain(m.package))
    s.wrong("package", "the name of a folder inside this one, without '.' and '..'");
  s.text("adapter", m.adapter, "which of its adapters; without it the default");
  s.choice("order", m.order, "which order of the responses it is shown");
  const bool cascade = kind == PackageKind::kCascade;
  if (cascade && index == 0) {
    for (const char* key : {"weight", "when_margin_below"})
      if (s.has(key)) s.fail(s.path(key) + " means nothing for the first stage, which answers every pair");
  } else {
    s.real("weight", m.weight, "its share");
    if (!(m.weight > 0 && m.weight <= (cascade ? 1 : 1e6)))
      s.wrong("weight", std::string("a number above 0, at most ") + (cascade ? "1" : "1e6"));
  }
  if (cascade && index > 0 && s.need("when_margin_below")) {
    s.real("when_margin_below", m.when_margin_below, "margin of the stages before, below which it is asked");
    if (!(m.when_margin_below > 0 && m.when_margin_below <= 1))
      s.wrong("when_margin_below", "a number above 0, at most 1");
  }
  s.close();
  return m;
}

std::string folder_name(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return std::filesystem::path(path).filename().string();
}

std::optional<PackageKind> kind_of(const Json& json) {
  for (std::size_t i = 0; i < std::size(kFormats); ++i)
    if (json.contains("format") && json["format"] == kFormats[i]) return static_cast<PackageKind>(i);
  return std::nullopt;
}

}  // namespace

std::string MemberSpec::label() const {
  return package + (adapter.empty() ? "" : ":" + adapter) +
         (order == MemberOrder::kGiven ? "" : std::string(" (") + word_of(order) + ")");
}

Result<PackageKind> package_kind(const Files& package) {
  const auto document = read_manifest_file(package);
  if (!document) return document.error();
  if (const auto kind = kind_of(document->json)) return *kind;
  const std::string found =
      document->json.contains("format") ? document->json["format"].dump() : std::string("missing");
  return invalid(package.name() + "/package.json: format is " + found +
                 ", expected 'preferd-package/1', 'preferd-ensemble/1' or 'preferd-cascade/1'");
}

Result<CompositeManifest> read_composite(const Files& package) {
  const auto document = read_manifest_file(package);
  if (!document) return document.error();
  const auto kind = kind_of(document->json);
  PREFERD_CHECK(kind && *kind != PackageKind::kPackage);
  const ManifestVoice voice;
  ReadFaults faults;
  ObjectReader s(document->json, word_of(*kind), voice, faults);
  CompositeManifest m;
  m.kind = *kind;
  m.digest = document->digest;
  m.name = folder_name(package.name());
  s.has("format");
  s.text("name", m.name, "the package's name; without it the folder's");
  s.text("revision", m.revision, "told beside the name");
  const bool cascade = *kind == PackageKind::kCascade;
  const char* list = cascade ? "stages" : "members";
  if (s.need(list)) {
    const Json& members = s.at(list);
    const std::size_t least = cascade ? 2 : 1;
    if (!members.is_array() || members.size() < least || members.size() > kMostMembers)
      s.fail(s.path(list) + " is " + describe(members) +
             (members.is_array() ? " of " + std::to_string(members.size()) : "") + ", expected an array of " +
             std::to_string(least) + " to " + std::to_string(kMostMembers));
    else
      for (std::size_t i = 0; i < members.size(); ++i)
        m.members.push_back(read_member(s.element(list, i), *kind, i));
  }
  s.close();
  for (std::size_t i = 0; i < m.members.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (m.members[i].label() == m.members[j].label())
        s.fail(s.path(list) + " names " + m.members[i].label() + " twice");
  if (const Status status = faults.status(); !status)
    return invalid(package.name() + "/" + status.error().what);
  return m;
}

}  // namespace preferd::package
