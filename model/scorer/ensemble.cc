// Every member answers every pair; the probability is the weighted mean of their answers. (These are the
// k-fold and normal-plus-reversed ensembles of Kaggle's preference competitions.)
#include "model/scorer/composite_scorer.h"

namespace preferd::scorer {
namespace {

class Ensemble : public CompositeScorer {
 public:
  using CompositeScorer::CompositeScorer;

  std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) override {
    std::vector<Question> questions;
    for (std::size_t i = 0; i < items.size(); ++i)
      for (std::size_t m = 0; m < members().size(); ++m) questions.push_back({i, m});
    const std::vector<Result<Verdict>> answers = ask(items, questions);
    std::vector<Result<Verdict>> verdicts;
    for (std::size_t i = 0; i < items.size(); ++i)
      verdicts.push_back(mean({answers.data() + i * members().size(), members().size()}));
    return verdicts;
  }

 private:
  Result<Verdict> mean(std::span<const Result<Verdict>> answers) const {
    Combination sum;
    double weights = 0;
    for (std::size_t m = 0; m < answers.size(); ++m) {
      if (!answers[m]) return answers[m].error();
      const package::MemberSpec& spec = members()[m].spec;
      sum.add(spec, weights, spec.weight, *answers[m]);
      weights += spec.weight;
    }
    return sum.verdict();
  }
};

}  // namespace

std::shared_ptr<Scorer> make_ensemble(package::CompositeManifest manifest, std::vector<Member> members) {
  return std::make_shared<Ensemble>(std::move(manifest), std::move(members));
}

}  // namespace preferd::scorer
