#include "model/scorer/composite_scorer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/check.h"
#include "base/sha256.h"
#include "model/scorer/verdict.h"

namespace preferd::scorer {
namespace {

constexpr auto kA = static_cast<std::size_t>(text::Part::kResponseA);
constexpr auto kB = static_cast<std::size_t>(text::Part::kResponseB);

void add_to(text::TokenCounts& sum, const text::TokenCounts& more) {
  sum.prompt += more.prompt;
  sum.response_a += more.response_a;
  sum.response_b += more.response_b;
  sum.total += more.total;
}

void add_to(text::Truncated& sum, const text::Truncated& more) {
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i].tokens += more[i].tokens;
    sum[i].chars += more[i].chars;
  }
}

// Whether the member was shown the exchanged pair. When both orders are asked for, it was not.
bool shown_exchanged(package::MemberOrder order, Swap asked) {
  return order == package::MemberOrder::kSwapped && asked == Swap::kNone;
}

void exchange_parts(text::TokenCounts& tokens, text::Truncated& truncated) {
  std::swap(tokens.response_a, tokens.response_b);
  std::swap(truncated[kA], truncated[kB]);
}

// Brings a member's answer back into the order that was asked for.
void bring_back(package::MemberOrder order, Swap asked, Verdict& v) {
  if (shown_exchanged(order, asked)) {
    v.by_order = {mirrored(v.by_order[0])};
    for (MemberSaid& said : v.path) said.probabilities = mirrored(said.probabilities);
    exchange_parts(v.tokens, v.truncated);
  } else if (order == package::MemberOrder::kSwapped) {
    std::swap(v.by_order[0], v.by_order[1]);
  } else if (order == package::MemberOrder::kAverage) {
    v.by_order.assign(asked == Swap::kAverage ? 2 : 1, v.probabilities);
  }
  v.probabilities = verdict_of(v.by_order).probabilities;
}

void agree(std::string& common, const std::string& own) {
  if (common.empty()) common = own;
  if (common != own) common = "mixed";
}

}  // namespace

CompositeScorer::CompositeScorer(package::CompositeManifest manifest, std::vector<Member> members)
    : members_(std::move(members)) {
  PREFERD_CHECK(!members_.empty());
  info_.name = manifest.name;
  info_.revision = manifest.revision;
  info_.kind = info_.output = word_of(manifest.kind);
  std::string digests = manifest.digest;
  std::set<const Scorer*> distinct;
  for (const Member& m : members_) {
    const ScorerInfo& own = m.scorer->info();
    agree(info_.layout, own.layout);
    agree(info_.family, own.family);
    agree(info_.quantization, own.quantization);
    agree(info_.compute, own.compute);
    if (!own.compute_note.empty()) info_.compute_note = m.spec.label() + ": " + own.compute_note;
    info_.max_tokens = info_.max_tokens == 0 ? own.max_tokens : std::min(info_.max_tokens, own.max_tokens);
    info_.classes = m.classes;
    digests += own.digest;
    info_.golden_worst = std::max(info_.golden_worst, own.golden_worst);
    if (distinct.insert(m.scorer.get()).second) {
      info_.resident_bytes += own.resident_bytes;
      info_.golden_pairs += own.golden_pairs;
    }
    MemberInfo member{m.spec.label(), m.spec.weight, std::nullopt, std::make_shared<const ScorerInfo>(own)};
    if (manifest.kind == package::PackageKind::kCascade && &m != &members_.front())
      member.when_margin_below = m.spec.when_margin_below;
    info_.members.push_back(std::move(member));
  }
  info_.digest = hex(sha256(digests));
}

Capacity CompositeScorer::capacity() const {
  Capacity all{.working = 0};
  std::set<const Scorer*> told;
  for (const Member& member : members_) {
    if (!told.insert(member.scorer.get()).second) continue;
    Capacity own = member.scorer->capacity();
    all.working = std::max(all.working, own.working > 0 ? 1 : 0);
    if (!own.lost.empty()) all.lost = std::move(own.lost);
    if (!own.note.empty()) all.note = std::move(own.note);
    all.halved += own.halved;
  }
  return all;
}

Status CompositeScorer::intact(Look look) const {
  for (const Member& member : members_)
    if (const Status s = member.scorer->intact(look); !s) return s;
  return Ok{};
}

Result<Encoded> CompositeScorer::encode(const Ask& ask) const {
  if (!ask.adapter.empty())
    return Error{Code::kNotFound,
                 "the adapter asked for is not in this " + info_.kind + ", whose members name their own",
                 "adapter"};
  Encoded encoded;
  encoded.swap = ask.swap;
  for (const Member& m : members_) {
    Ask own = ask;
    own.adapter = m.spec.adapter;
    const bool exchanged = shown_exchanged(m.spec.order, ask.swap);
    if (exchanged) std::swap(own.pair.response_a, own.pair.response_b);
    if (m.spec.order == package::MemberOrder::kAverage) own.swap = Swap::kAverage;
    auto part = m.scorer->encode(own);
    if (!part)
      return Error{part.error().code, "member " + m.spec.label() + ": " + part.error().what,
                   part.error().param};
    text::TokenCounts tokens = part->tokens;
    text::Truncated truncated = part->truncated;
    if (exchanged) exchange_parts(tokens, truncated);
    add_to(encoded.tokens, tokens);
    add_to(encoded.truncated, truncated);
    encoded.cost_tokens += part->cost_tokens;
    encoded.members.push_back(std::move(*part));
  }
  return encoded;
}

std::vector<Result<Verdict>> CompositeScorer::ask(std::span<const Encoded* const> items,
                                                  const std::vector<Question>& questions) {
  std::vector<Result<Verdict>> answers(questions.size(), Result<Verdict>(Error{}));
  std::vector<bool> asked(questions.size());
  for (std::size_t first = 0; first < questions.size(); ++first) {
    if (asked[first]) continue;
    Scorer& scorer = *members_[questions[first].member].scorer;
    std::vector<const Encoded*> views;
    std::vector<std::size_t> places;
    for (std::size_t i = first; i < questions.size(); ++i) {
      const Question& q = questions[i];
      if (members_[q.member].scorer.get() != &scorer) continue;
      asked[i] = true;
      places.push_back(i);
      views.push_back(&items[q.item]->members[q.member]);
    }
    std::vector<Result<Verdict>> said = scorer.score(views);
    for (std::size_t i = 0; i < said.size(); ++i) {
      const Question& q = questions[places[i]];
      const package::MemberSpec& spec = members_[q.member].spec;
      if (said[i])
        bring_back(spec.order, items[q.item]->swap, *said[i]);
      else if (said[i].error().code != Code::kChanged)
        said[i] = Error{said[i].error().code, "member " + spec.label() + ": " + said[i].error().what, {}};
      answers[places[i]] = std::move(said[i]);
    }
  }
  return answers;
}

void Combination::add(const package::MemberSpec& spec, double kept, double weight, const Verdict& answer) {
  if (by_order_.empty())
    for (const auto& p : answer.by_order) by_order_.emplace_back(p.size(), 0.0);
  for (std::size_t o = 0; o < by_order_.size(); ++o)
    for (std::size_t c = 0; c < by_order_[o].size(); ++c)
      by_order_[o][c] = (by_order_[o][c] * kept + answer.by_order[o][c] * weight) / (kept + weight);
  add_to(parts_.tokens, answer.tokens);
  add_to(parts_.truncated, answer.truncated);
  parts_.path.push_back({spec.label(), answer.probabilities});
  for (const MemberSaid& inner : answer.path)
    parts_.path.push_back({spec.label() + "/" + inner.member, inner.probabilities});
}

double Combination::margin() const {
  double a = 0, b = 0;
  for (const auto& p : by_order_) {
    a += p[0];
    b += p[1];
  }
  return std::fabs(a - b) / static_cast<double>(by_order_.size());
}

Verdict Combination::verdict() const {
  std::vector<std::vector<float>> by_order;
  for (const auto& p : by_order_) by_order.emplace_back(p.begin(), p.end());
  Verdict v = verdict_of(std::move(by_order));
  v.tokens = parts_.tokens;
  v.truncated = parts_.truncated;
  v.path = parts_.path;
  return v;
}

}  // namespace preferd::scorer
