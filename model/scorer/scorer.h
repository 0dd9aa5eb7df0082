// The only entrance to the model: pairs in, verdicts out. The server, the offline scorer and the trainer's
// evaluation all use it, so they cannot disagree. Names no torch.
//
//   encode()  the text side: template, tokens, truncation, features. Any thread, many at once; no weights.
//   score()   the compute side: one thread per replica at a time. The bits of a verdict depend only on its
//             pair: not on the neighbours in the batch, their order, or the number of threads.
//
// A package is a scorer; an ensemble or a cascade is a scorer made of scorers (model/package/composite.h).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"
#include "base/words.h"
#include "model/text/pair.h"

namespace preferd::scorer {

enum class Swap { kNone, kAverage };       // kAverage: mean of both orders' probabilities
enum class Overflow { kPackage, kError };  // too long: truncate as the package says, or refuse

constexpr auto words(Swap) { return word_list<Swap>({{"none", Swap::kNone}, {"average", Swap::kAverage}}); }
constexpr auto words(Overflow) {
  return word_list<Overflow>({{"package", Overflow::kPackage}, {"error", Overflow::kError}});
}
inline constexpr std::array<const char*, 3> kClassNames = {"model_a", "model_b", "tie"};

struct Ask {
  text::Pair pair;
  std::string adapter;  // empty: the package's default
  Swap swap = Swap::kNone;
  Overflow overflow = Overflow::kPackage;
};

// One response, asked of a package whose rewards are kAlone.
struct ResponseAsk {
  text::Single text;
  std::string adapter;  // as in Ask, like overflow
  Overflow overflow = Overflow::kPackage;
};

// One order of one pair, or one response, ready for the model.
struct EncodedOrder {
  // One (layout pair, or a single response) or two: response_a's, response_b's.
  std::vector<std::vector<std::int32_t>> sequences;
  // What follows the token that the head reads, by sequence, or empty: it changes no state that is read, and
  // is not computed.
  std::vector<std::vector<std::int32_t>> unread = {};
  // Of a head with a gate, for each sequence: its beginning, whose last state the gate reads. Otherwise empty.
  std::vector<std::vector<std::int32_t>> gates = {};
  // Of a head that reads at markers: their places in the one sequence. Otherwise empty.
  std::vector<std::int32_t> marks = {};
  // The feature columns that the head reads: none, 63 (pair, siamese), or 2 x 41 (difference: a's, then b's).
  std::vector<float> features;

  // What the body reads: every sequence, behind its gate if there is one.
  std::vector<const std::vector<std::int32_t>*> read() const;
  // The number of states that the body gives: one of each of these, or one at each mark.
  std::size_t states() const { return marks.empty() ? read().size() : marks.size(); }
};

// Which tokens that sequences start with alike are computed once. Sharing changes no bit, but it requires states
// that depend only on earlier tokens (families::shares_prefixes).
enum class Prefixes {
  kApart,   // none
  kOfItem,  // those of all sequences of an item: the prompt of a pair
  kShared,  // those of any sequences of a forward: a prompt that several items have
};

struct Encoded {
  // The given order and, with swap, the exchanged one. A difference head needs no second order: its orders
  // are mirrors of each other.
  std::vector<EncodedOrder> orders;
  Swap swap = Swap::kNone;
  int adapter = 0;                       // index into the package's adapters
  text::TokenCounts tokens;              // in the given order
  text::Truncated truncated{};           // in the given order
  std::size_t cost_tokens = 0;           // what admission and batching count; a cascade's worst case
  Prefixes prefixes = Prefixes::kApart;  // of the package, so that ForwardCost (prefixes.h) knows
  // For an ensemble or a cascade: the same pair for each member. `orders` is then empty, and tokens and
  // truncated are the members' sums.
  std::vector<Encoded> members;
};

// What one member of an ensemble or a cascade said.
struct MemberSaid {
  std::string member;                // MemberSpec::label(); for a member of a member: "inner/label"
  std::vector<float> probabilities;  // in the given order: model_a, model_b[, tie]
};

// For a single response, logits[0] is its reward, winner is 0, and probabilities and by_order are empty.
struct Verdict {
  std::vector<float> logits;  // in the given order, before calibration; empty for an ensemble or a cascade
  std::vector<float> probabilities;  // model_a, model_b[, tie]; calibrated; averaged under swap
  int winner = 0;                    // index of the largest; the first of equal ones
  std::optional<float> order_gap;    // with swap: largest difference between a probability and its mirror
  // What `probabilities` is the mean of: those of the given order and, with swap, those of the exchanged one,
  // mirrored.
  std::vector<std::vector<float>> by_order;
  text::TokenCounts tokens;      // in the given order; summed over the members that were asked
  text::Truncated truncated{};   // likewise
  std::vector<MemberSaid> path;  // the members that were asked, in order; empty for a package
};

struct AdapterInfo {
  std::string name;
  int classes = 2;
};

// Whether responses have rewards: a pair's logits are then those of its two, and p_b is
// sigmoid((logits[1] - logits[0]) / temperature).
enum class Rewards {
  kNone,    // pairs are judged
  kOfPair,  // they have, but features compare both responses: a reward holds for one pair only
  kAlone,   // encode_response() asks for one
};

struct ScorerInfo;
struct MemberInfo {
  std::string label;                       // MemberSpec::label()
  double weight = 1;                       // as in the manifest
  std::optional<float> when_margin_below;  // for a cascade's later stages
  std::shared_ptr<const ScorerInfo> info;
};

// For an ensemble or a cascade, layout, family and quantization are the members' if they agree, otherwise
// "mixed"; output is the kind; max_tokens is the smallest; it has no adapters and no features of its own.
struct ScorerInfo {
  std::string name, revision;
  std::string kind = "package";  // | "ensemble" | "cascade"
  std::string layout;            // "pair" | "per_response" | "conversation"
  std::string date;              // that chat templates are told, YYYY-MM-DD; of layout conversation
  std::string family;            // "llama"
  std::string quantization;      // scheme of the base
  std::string output;            // head output
  std::string device = "cpu";    // "cpu" | "cuda:0 NVIDIA H200"
  std::string compute;           // "fp32" | "int16" | "bf16" | "fp8"; "mixed" if members differ
  std::string residency;         // of a GPU's weights: "packed" | "dense" | "fp8"; otherwise empty
  std::string compute_note;      // why the fast path is not used, where that was not the caller's choice
  std::size_t golden_pairs = 0;  // number scored at load; composites: over all members
  double golden_worst = 0;       // largest difference of a logit from the recorded one
  std::string digest;            // SHA-256 of package.json (and its members'), hexadecimal
  int max_tokens = 0;            // per sequence
  int classes = 2;               // 2, or 3 with ties
  Rewards rewards = Rewards::kNone;
  double temperature = 1;
  std::vector<AdapterInfo> adapters;       // the first is the default
  std::vector<std::string> feature_names;  // the 63 columns in order; empty without features
  std::size_t resident_bytes = 0;          // weights held in memory or mapped
  std::vector<MemberInfo> members;         // for an ensemble or a cascade
};

// The devices that compute, each one call at a time. A lost device computes no more; the last one may still
// be asked, and counts again when it answers. `ahead`: how many further calls may be made meanwhile; the
// host's part of their work then runs while the devices compute.
struct Capacity {
  int working = 1, all = 1;
  std::string lost = {};  // the error of the device that was lost last
  int ahead = 0;
  std::string note = {};    // the optimisation that a device has disabled, and why
  std::int64_t halved = 0;  // number of batches that did not fit into a device's memory and were split in two
};

// As calibration computes it: in double, rounded once.
float sigmoid(float z);

// What a scorer answers to a single response whose reward it cannot give.
Error no_reward(Rewards rewards);

class Scorer {
 public:
  virtual ~Scorer() = default;
  virtual const ScorerInfo& info() const = 0;

  // Errors: kNotFound (adapter; param "adapter"), kTooLarge (Overflow::kError and something would be
  // dropped), kInvalid (the template leaves no room).
  virtual Result<Encoded> encode(const Ask& ask) const = 0;

  // One response: score() then gives its reward. kInvalid if rewards are not kAlone; otherwise encode()'s errors.
  virtual Result<Encoded> encode_response(const ResponseAsk& ask) const;

  // The 63 feature columns of the pair in order (unstandardised for difference heads); empty without
  // features.
  virtual std::vector<float> features(const text::Pair& pair) const = 0;

  // One result per item, in order. kNonFinite when logits are not finite, kDevice when a GPU failed, kChanged
  // when intact() no longer holds: no verdict comes from weights that differ from those of the digest. One
  // call at a time, or as many as capacity() says.
  virtual std::vector<Result<Verdict>> score(std::span<const Encoded* const> items) = 0;

  // kChanged: files that weights are read from are no longer what was loaded (base/mapped_file.h). Any
  // thread.
  virtual Status intact(Look) const { return Ok{}; }

  virtual Capacity capacity() const { return {}; }  // any thread
};

}  // namespace preferd::scorer
