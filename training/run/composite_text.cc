#include "training/run/composite_text.h"

#include "model/package/composite.h"

namespace preferd::training {
namespace {

// Adds manifests and text sides of everything inside.
Status add_keys(const std::shared_ptr<const Files>& folder, std::string& key) {
  const auto kind = package::package_kind(*folder);
  if (!kind) return kind.error();
  if (*kind == package::PackageKind::kPackage) {
    const auto encoder = scorer::PairEncoder::open(folder);
    if (!encoder) return encoder.error();
    const auto text = text_side(**encoder);
    if (!text) return text.error();
    key += text->key;
    return Ok{};
  }
  const auto manifest = package::read_composite(*folder);
  if (!manifest) return manifest.error();
  key += manifest->digest;
  for (const package::MemberSpec& member : manifest->members) {
    const auto inner = folder->folder(member.package);
    if (!inner) return inner.error();
    if (const Status s = add_keys(*inner, key); !s) return s;
  }
  return Ok{};
}

Result<scorer::Encoded> both_orders(const scorer::Scorer& scorer, scorer::Ask ask) {
  ask.swap = scorer::Swap::kNone;
  auto given = scorer.encode(ask);
  if (!given) return given;
  std::swap(ask.pair.response_a, ask.pair.response_b);
  auto exchanged = scorer.encode(ask);
  if (!exchanged) return exchanged;
  scorer::Encoded both;
  both.tokens = given->tokens;
  both.truncated = given->truncated;
  both.cost_tokens = given->cost_tokens + exchanged->cost_tokens;
  both.members = {std::move(*given), std::move(*exchanged)};
  return both;
}

}  // namespace

Result<TextSide> composite_text(const std::shared_ptr<const Files>& folder, const scorer::Scorer& scorer) {
  TextSide side;
  if (const Status s = add_keys(folder, side.key); !s) return s.error();
  side.encode = [&scorer](const scorer::Ask& ask) {
    return ask.swap == scorer::Swap::kAverage ? both_orders(scorer, ask) : scorer.encode(ask);
  };
  return side;
}

}  // namespace preferd::training
