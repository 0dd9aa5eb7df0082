// Which examples make up each optimizer step, and how they are packed.
//
// An epoch is a permutation of the examples, a function of (seed, epoch) only, cut into steps of
// `batch_examples`, with a smaller last step. A step's examples are dealt to the ranks, the longest first,
// each to the rank with the fewest tokens so far; so the union over ranks is the same set for any number of
// ranks, and no rank waits long for another. Each rank packs its share by decreasing length into
// micro-batches of at most `max_tokens` (an example that is longer gets a micro-batch of its own).
//
// Nothing is drawn from a stream: a run resumes from (epoch, step) without a state to restore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/words.h"
#include "training/data/orders.h"

namespace preferd::training {

// Which examples are shown with their responses exchanged: none; all in odd epochs (counted from 0); those of
// odd ranks; each example in both orders, side by side in one micro-batch.
enum class SwapAugmentation { kNone, kEpoch, kRank, kSameBatch };
constexpr auto words(SwapAugmentation) {
  return word_list<SwapAugmentation>({{"none", SwapAugmentation::kNone},
                                      {"epoch", SwapAugmentation::kEpoch},
                                      {"rank", SwapAugmentation::kRank},
                                      {"same_batch", SwapAugmentation::kSameBatch}});
}

struct SamplerOptions {
  std::uint64_t seed = 0;
  std::size_t batch_examples = 32;  // per step, over all ranks; an example in both orders counts once
  std::size_t max_tokens = 8192;    // per micro-batch
  SwapAugmentation swap = SwapAugmentation::kNone;
  int ranks = 1;
};

struct Sample {
  std::uint32_t example = 0;  // index into `tokens`
  bool swapped = false;
  bool operator==(const Sample&) const = default;
};
using MicroBatch = std::vector<Sample>;

struct StepPlan {
  std::vector<MicroBatch> micro_batches;  // of this rank; there may be none in a small last step
  std::size_t examples = 0;               // in the step, over all ranks
};

// One epoch's order. Borrows its sampler. Immutable; any thread.
class Epoch;

// Immutable; any thread.
class Sampler {
 public:
  // tokens: of each example in one order. Requires batch_examples, max_tokens and ranks >= 1. Errors: no
  // examples; a swap if `orders` has only one order (kGiven); kRank with a single rank.
  static Result<Sampler> create(std::vector<std::uint32_t> tokens, Orders orders,
                                const SamplerOptions& options);

  std::size_t steps() const;  // the same in every epoch
  Epoch epoch(std::uint64_t number) const;

 private:
  friend class Epoch;
  Sampler(std::vector<std::uint32_t> tokens, const SamplerOptions& options);

  std::vector<std::uint32_t> tokens_;
  SamplerOptions options_;
};

class Epoch {
 public:
  // Requires step < Sampler::steps() and 0 <= rank < ranks.
  StepPlan step(std::size_t step, int rank) const;

 private:
  friend class Sampler;
  Epoch(const Sampler& sampler, std::uint64_t number);

  const Sampler* sampler_;
  std::uint64_t number_;
  std::vector<std::uint32_t> order_;
};

// All examples once, longest first, in micro-batches of at most max_tokens: for evaluation and labelling.
std::vector<MicroBatch> evaluation_batches(std::span<const std::uint32_t> tokens, std::size_t max_tokens);

}  // namespace preferd::training
