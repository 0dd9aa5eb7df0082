// What ensembles and cascades share. Members are scorers themselves; each is asked in the order of responses
// that the manifest says, and its answer is brought back into the order that was asked for. Internal to the
// room.
#pragma once

#include <memory>
#include <vector>

#include "model/package/composite.h"
#include "model/scorer/scorer.h"

namespace preferd::scorer {

struct Member {
  package::MemberSpec spec;
  std::shared_ptr<Scorer> scorer;  // several members may share one scorer
  int classes = 2;                 // of the adapter that spec names
};

class CompositeScorer : public Scorer {
 public:
  // At least one member; all with the same number of classes.
  CompositeScorer(package::CompositeManifest manifest, std::vector<Member> members);

  const ScorerInfo& info() const override { return info_; }
  Result<Encoded> encode(const Ask& ask) const override;
  std::vector<float> features(const text::Pair&) const override { return {}; }
  // One call at a time. Members share a device: it works if it works for one of them.
  Capacity capacity() const override;
  Status intact(Look look) const override;

 protected:
  const std::vector<Member>& members() const { return members_; }

  struct Question {
    std::size_t item, member;
  };
  // The members' answers, one per question: by_order, tokens and truncated are in the order that the item was
  // asked in. Members that share a scorer are asked in one call. An error names the member.
  std::vector<Result<Verdict>> ask(std::span<const Encoded* const> items,
                                   const std::vector<Question>& questions);

 private:
  std::vector<Member> members_;
  ScorerInfo info_;
};

// The combined verdict so far, and what it is made of.
class Combination {
 public:
  // p = (p * kept + answer * weight) / (kept + weight), in double, order by order.
  void add(const package::MemberSpec& spec, double kept, double weight, const Verdict& answer);
  double margin() const;    // |p_a - p_b|, both orders averaged
  Verdict verdict() const;  // after at least one add()

 private:
  std::vector<std::vector<double>> by_order_;
  Verdict parts_;  // tokens, truncated, path
};

std::shared_ptr<Scorer> make_ensemble(package::CompositeManifest manifest, std::vector<Member> members);
std::shared_ptr<Scorer> make_cascade(package::CompositeManifest manifest, std::vector<Member> members);

}  // namespace preferd::scorer
