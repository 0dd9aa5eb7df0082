#include "training/run/golden_pairs.h"

#include <algorithm>

#include "model/scorer/golden.h"

namespace preferd::training {
namespace {

// The shortest example in each of `count` equal parts of the store.
std::vector<std::size_t> spread(const EncodedStore& store, std::size_t count) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * store.size() / count, end = (i + 1) * store.size() / count;
    std::size_t best = begin;
    for (std::size_t j = begin; j < end; ++j)
      if (store.tokens()[j] < store.tokens()[best]) best = j;
    places.push_back(best);
  }
  return places;
}

}  // namespace

Result<std::string> golden_text(const Dataset& data, const EncodedStore& store,
                                const std::vector<Scored>& scored, std::size_t count) {
  if (store.size() < scorer::kFewestGolden) return std::string();
  std::string text;
  for (const std::size_t place : spread(store, std::min(count, store.size()))) {
    const auto example = data.load(store.examples()[place]);
    if (!example) return example.error();
    const auto& logits = scored[place].logits;
    scorer::GoldenPair pair;
    pair.id = example->id;
    pair.logits.assign(logits.begin(), logits.end());
    pair.ask.pair = example->pair;
    scorer::append_golden(text, pair);
  }
  return text;
}

}  // namespace preferd::training
