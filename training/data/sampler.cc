#include "training/data/sampler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/splitmix.h"

namespace preferd::training {
namespace {

// Fisher-Yates shuffle; the k-th draw is a hash of (seed, epoch, k).
std::vector<std::uint32_t> permutation(std::size_t size, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint32_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  const std::uint64_t base = mixed(mixed(seed) ^ epoch);
  for (std::size_t k = size; k > 1; --k) std::swap(order[k - 1], order[mixed(base + k) % k]);
  return order;
}

void sort_by_length(std::vector<std::uint32_t>& examples, std::span<const std::uint32_t> tokens) {
  std::stable_sort(examples.begin(), examples.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return tokens[a] > tokens[b]; });
}

// orders: how often each example is in the batch.
std::vector<MicroBatch> packed(std::span<const std::uint32_t> longest_first,
                               std::span<const std::uint32_t> tokens, std::size_t max_tokens,
                               std::span<const Sample> orders) {
  std::vector<MicroBatch> batches;
  std::size_t filled = 0;
  for (const std::uint32_t example : longest_first) {
    const std::size_t cost = std::size_t{tokens[example]} * orders.size();
    if (batches.empty() || filled + cost > max_tokens) {
      batches.emplace_back();
      filled = 0;
    }
    filled += cost;
    for (const Sample& order : orders) batches.back().push_back({example, order.swapped});
  }
  return batches;
}

}  // namespace

Sampler::Sampler(std::vector<std::uint32_t> tokens, const SamplerOptions& options)
    : tokens_(std::move(tokens)), options_(options) {}

Result<Sampler> Sampler::create(std::vector<std::uint32_t> tokens, Orders orders,
                                const SamplerOptions& options) {
  PREFERD_CHECK(options.batch_examples >= 1 && options.max_tokens >= 1 && options.ranks >= 1);
  if (tokens.empty()) return invalid("train: no examples, expected at least one", "train");
  if (options.swap != SwapAugmentation::kNone && orders == Orders::kGiven)
    return invalid(
        "swap: the two orders of a difference head are mirrors of each other, so that exchanging responses "
        "teaches it nothing; expected none",
        "swap");
  if (options.swap == SwapAugmentation::kRank && options.ranks == 1)
    return invalid("swap: rank, but there is one process; expected none, epoch or same_batch", "swap");
  return Sampler(std::move(tokens), options);
}

std::size_t Sampler::steps() const {
  return (tokens_.size() + options_.batch_examples - 1) / options_.batch_examples;
}

Epoch Sampler::epoch(std::uint64_t number) const { return {*this, number}; }

Epoch::Epoch(const Sampler& sampler, std::uint64_t number)
    : sampler_(&sampler),
      number_(number),
      order_(permutation(sampler.tokens_.size(), sampler.options_.seed, number)) {}

StepPlan Epoch::step(std::size_t step, int rank) const {
  const SamplerOptions& options = sampler_->options_;
  const std::vector<std::uint32_t>& tokens = sampler_->tokens_;
  PREFERD_CHECK(step < sampler_->steps() && rank >= 0 && rank < options.ranks);
  const std::size_t from = step * options.batch_examples;
  const std::size_t to = std::min(from + options.batch_examples, order_.size());
  std::vector<std::uint32_t> examples(order_.begin() + static_cast<std::ptrdiff_t>(from),
                                      order_.begin() + static_cast<std::ptrdiff_t>(to));
  sort_by_length(examples, tokens);

  std::vector<std::size_t> load(static_cast<std::size_t>(options.ranks));
  std::vector<std::uint32_t> own;
  for (const std::uint32_t example : examples) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += std::max<std::size_t>(tokens[example], 1);
    if (least - load.begin() == rank) own.push_back(example);
  }

  std::vector<Sample> orders = {{0, false}};
  if (options.swap == SwapAugmentation::kEpoch) orders[0].swapped = number_ % 2 == 1;
  if (options.swap == SwapAugmentation::kRank) orders[0].swapped = rank % 2 == 1;
  if (options.swap == SwapAugmentation::kSameBatch) orders.push_back({0, true});
  return {packed(own, tokens, options.max_tokens, orders), to - from};
}

std::vector<MicroBatch> evaluation_batches(std::span<const std::uint32_t> tokens, std::size_t max_tokens) {
  std::vector<std::uint32_t> order(tokens.size());
  std::iota(order.begin(), order.end(), 0);
  sort_by_length(order, tokens);
  return packed(order, tokens, max_tokens, std::vector<Sample>{{0, false}});
}

}  // namespace preferd::training
