// package.json of the formats preferd-ensemble/1 and preferd-cascade/1: packages that answer together.
//
//   {"format": "preferd-ensemble/1", "name"?, "revision"?, "members": [{"package", "adapter"?, "order"?,
//    "weight"?}, ...]}
//   {"format": "preferd-cascade/1", "name"?, "revision"?, "stages": [{"package", "adapter"?, "order"?},
//    {..., "when_margin_below", "weight"?}, ...]}
//
// A member is a folder inside this one with a package.json of any format. Named twice, say with two adapters,
// it is loaded once.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "base/words.h"

namespace preferd::package {

// Composites inside composites; a folder that links to itself ends here.
inline constexpr int kDeepestComposite = 4;

enum class PackageKind { kPackage, kEnsemble, kCascade };
constexpr auto words(PackageKind) {
  return word_list<PackageKind>({{"package", PackageKind::kPackage},
                                 {"ensemble", PackageKind::kEnsemble},
                                 {"cascade", PackageKind::kCascade}});
}

// Which order of the responses a member is shown, whatever order was asked for; kAverage: both, averaged.
enum class MemberOrder { kGiven, kSwapped, kAverage };
constexpr auto words(MemberOrder) {
  return word_list<MemberOrder>({{"given", MemberOrder::kGiven},
                                 {"swapped", MemberOrder::kSwapped},
                                 {"average", MemberOrder::kAverage}});
}

struct MemberSpec {
  std::string package;  // folder, relative
  std::string adapter;  // empty: that package's default
  MemberOrder order = MemberOrder::kGiven;
  // Ensemble: above 0, shares are weight / sum. Cascade: in (0, 1], p = (1 - weight) p + weight p_stage.
  double weight = 1;
  double when_margin_below = 1;  // cascade, all stages but the first: asked where |p_a - p_b| is below

  // What replies call it: "large", "judge:reversed", "judge:reversed (swapped)".
  std::string label() const;
};

struct CompositeManifest {
  PackageKind kind = PackageKind::kEnsemble;
  std::string name, revision;       // without a name: the folder's
  std::vector<MemberSpec> members;  // an ensemble's 1..64; a cascade's stages, 2..64
  std::string digest;               // SHA-256 of package.json, hexadecimal
};

// By the format of package.json. Errors: absent, no JSON object, an unknown format.
Result<PackageKind> package_kind(const Files& package);

// Of a package_kind() other than kPackage. Errors: an unknown key, a value of another type or out of range, a
// member that is no folder below this one; two members that could not be told apart in a reply.
Result<CompositeManifest> read_composite(const Files& package);

}  // namespace preferd::package
