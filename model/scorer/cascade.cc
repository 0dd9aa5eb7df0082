// The first stage answers every pair. A later stage answers only those pairs whose |p_a - p_b| is still below
// its threshold; then p = (1 - weight) p + weight p_stage. Where both orders are averaged, the margin is
// averaged too, so a pair takes one path, whichever response comes first.
#include "model/scorer/composite_scorer.h"

namespace preferd::scorer {
namespace {

class Cascade : public CompositeScorer {
 public:
  using CompositeScorer::CompositeScorer;

  std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) override {
    std::vector<Combination> so_far(items.size());
    std::vector<Result<Verdict>> verdicts(items.size(), Result<Verdict>(Verdict{}));
    for (std::size_t stage = 0; stage < members().size(); ++stage) {
      const package::MemberSpec& spec = members()[stage].spec;
      std::vector<Question> questions;
      for (std::size_t i = 0; i < items.size(); ++i)
        if (verdicts[i] && (stage == 0 || so_far[i].margin() < spec.when_margin_below))
          questions.push_back({i, stage});
      const std::vector<Result<Verdict>> answers = ask(items, questions);
      for (std::size_t q = 0; q < questions.size(); ++q) {
        const std::size_t i = questions[q].item;
        if (answers[q])
          so_far[i].add(spec, stage == 0 ? 0 : 1 - spec.weight, spec.weight, *answers[q]);
        else
          verdicts[i] = answers[q].error();
      }
    }
    for (std::size_t i = 0; i < items.size(); ++i)
      if (verdicts[i]) verdicts[i] = so_far[i].verdict();
    return verdicts;
  }
};

}  // namespace

std::shared_ptr<Scorer> make_cascade(package::CompositeManifest manifest, std::vector<Member> members) {
  return std::make_shared<Cascade>(std::move(manifest), std::move(members));
}

}  // namespace preferd::scorer
