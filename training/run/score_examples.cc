#include "training/run/score_examples.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/scorer/packer.h"
#include "training/data/sampler.h"

namespace preferd::training {
namespace {

scorer::Encoded alone(const scorer::Encoded& both, std::size_t order) {
  scorer::Encoded one = both;
  one.orders = {both.orders[order]};
  one.swap = scorer::Swap::kNone;
  return one;
}

std::vector<float> logarithms(const std::vector<float>& probabilities) {
  std::vector<float> out;
  for (const float p : probabilities) out.push_back(std::log(std::max(p, std::numeric_limits<float>::min())));
  return out;
}

// For one call: enough for every device.
std::size_t tokens_of_call(const scorer::Scorer& scorer) {
  if (scorer.info().device == "cpu") return scorer::kForwardTokens.tokens;
  return scorer::kGpuForwardTokens.tokens * static_cast<std::size_t>(scorer.capacity().all);
}

std::vector<float> logits_of(const scorer::Verdict& v) {
  return v.logits.empty() ? logarithms(v.by_order[0]) : v.logits;
}

}  // namespace

Result<std::vector<Scored>> score_examples(scorer::Scorer& scorer, const Dataset& data,
                                           const EncodedStore& store, const ScoreEvents& events) {
  std::vector<Scored> out(store.size());
  const auto batches = evaluation_batches(store.tokens(), tokens_of_call(scorer));
  for (std::size_t b = 0; b < batches.size(); ++b) {
    if (events.cancelled && events.cancelled()) return Error{Code::kCancelled, "scoring: interrupted", {}};
    std::vector<scorer::Encoded> items;
    std::vector<std::uint32_t> places;
    for (const Sample& sample : batches[b]) {
      auto item = store.load(sample.example);
      if (!item) return item.error();
      for (scorer::Encoded& order : item->members) {
        items.push_back(std::move(order));
        places.push_back(sample.example);
      }
      for (std::size_t order = 0; order < item->orders.size(); ++order) {
        items.push_back(alone(*item, order));
        places.push_back(sample.example);
      }
    }
    std::vector<const scorer::Encoded*> views;
    for (const scorer::Encoded& item : items) views.push_back(&item);
    auto verdicts = scorer.score(views);
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      if (!verdicts[i] && verdicts[i].error().code == Code::kChanged) return verdicts[i].error();
      if (!verdicts[i])
        return Error{verdicts[i].error().code,
                     data.corpus().place(store.examples()[places[i]]) + ": " + verdicts[i].error().what,
                     {}};
      Scored& to = out[places[i]];
      if (i > 0 && places[i] == places[i - 1]) {
        to.swapped = logits_of(*verdicts[i]);
        continue;
      }
      to.logits = logits_of(*verdicts[i]);
      to.tokens = verdicts[i]->tokens.total;
    }
    if (events.progress) events.progress(static_cast<double>(b + 1) / static_cast<double>(batches.size()));
  }
  return out;
}

}  // namespace preferd::training
