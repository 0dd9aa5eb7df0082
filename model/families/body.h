// A model body: packed tokens in, pooled states out. One file per family (families.h). Immutable once built:
// replicas share it, and adapters travel with the batch.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include <ATen/core/Tensor.h>

#include "base/result.h"
#include "model/backend/batch.h"
#include "model/checkpoint/fields.h"
#include "model/checkpoint/weights.h"
#include "model/layers/rope.h"
#include "model/ops/compute.h"
#include "model/ops/linears.h"
#include "model/package/head_spec.h"

namespace preferd::families {

class Body {
 public:
  virtual ~Body() = default;

  // States after the final norm, one per pooled segment: [pooled, width()] fp32 (composed: wide()). A mean
  // runs over the segment's whole line, including parents. `projections`: the adapters that batch.runs name.
  // Their maps, this body and `compute` must outlive a backward through the states.
  virtual at::Tensor pooled(
      ops::Compute& compute, const backend::Batch& batch, package::Pooling pooling,
      std::span<const std::map<std::string, checkpoint::LoraWeights>* const> projections) const = 0;

  virtual std::int64_t width() const = 0;
  virtual std::int64_t vocabulary() const = 0;

  // The rows of the LM head as a matrix [vocabulary, width], and its module's name; only for bodies built
  // with it.
  virtual const backend::Linear* lm_head() const { return nullptr; }

  // The most memory that one forward of that many rows takes beside the weights: an estimate for people.
  virtual std::size_t activation_bytes(std::int64_t rows) const = 0;

  // The most tokens that a sequence may have; 0: the body sets no limit.
  virtual std::int64_t most_positions() const { return 0; }

  // The LM head's logits are cap tanh(logit / cap); 0 = as they are.
  virtual float logit_softcap() const { return 0; }
};

struct BodyOptions {
  std::int64_t layers = 0;     // how many to build, from the first on; 1..all
  std::int64_t positions = 0;  // longest sequence that will be used
  enum class LmHead { kNone, kBuild } lm_head = LmHead::kNone;
  // The token whose first occurrence ends the part of type 0 of a sequence, in families with token types; the
  // rest has type 1. Nothing: all tokens have type 0.
  std::optional<std::int32_t> second_type_after{};
};

// What a state depends on. With kCausal, sequences that begin alike may be computed as one prefix with
// several ends, and a language model can be asked for its next token; with kBidirectional every segment of a
// batch is a whole sequence, without a parent.
enum class AttentionMask {
  kCausal,         // its own token and those before it
  kBidirectional,  // the whole sequence
};

struct Family {
  const char* model_type;  // as in config.json: "llama"
  const char* prefix;      // prefix of the body's names in a checkpoint: "model."; may be empty
  const char* layer_key;   // config key that gives the number of layers: a number, or an array with one entry
                           // per layer
  AttentionMask mask;

  // Reads `config` (which collects failures) and requests every tensor from `weights` (which collects
  // problems); the caller checks both.
  std::unique_ptr<Body> (*build)(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                 const BodyOptions& options);

  layers::RopeDefaults rope = {};
};

// Whether sequences of at most `positions` tokens that begin alike may be computed as one prefix with several
// ends: with kCausal, unless the length of the whole decides how positions are encoded.
bool shares_prefixes(const Family& family, const checkpoint::Fields& config, std::int64_t positions);

// Errors: an unknown model_type; the error lists the known ones.
Result<const Family*> find_family(const std::string& model_type);

// The family of a config.json's model_type, in which '-' counts as '_'.
Result<const Family*> family_of(checkpoint::Fields& config);

}  // namespace preferd::families
