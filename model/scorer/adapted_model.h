// The compute side of a package: one base, its adapters and heads, as loaded. Includes torch; the room's own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "model/families/body.h"
#include "model/layers/head.h"
#include "model/scorer/model_shape.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::scorer {

struct LoadedAdapter {
  std::size_t body = 0;  // which of AdaptedModel::bodies; one with saved modules has its own
  std::map<std::string, checkpoint::LoraWeights> projections;
  package::HeadSpec spec;
  std::optional<layers::Head> head;  // absent for token_pair
  ops::Linear token_rows;            // token_pair: two rows of the LM head
  float token_softcap = 0;           // Body::logit_softcap
};

struct AdaptedModel {
  std::string family;
  std::vector<std::unique_ptr<families::Body>> bodies;
  std::vector<LoadedAdapter> adapters;  // as in the manifest
  std::int64_t layers = 0;              // of each body
  std::size_t stored_bytes = 0;         // weights, as stored
  std::size_t linear_bytes = 0;         // of these in linears of the base
  std::size_t linear_elements = 0;
  std::vector<std::shared_ptr<checkpoint::WeightSource>> sources;
};

// What the bodies read instead of the base's files, given those: a source that decorates them
// (model/checkpoint/writable.h). The model keeps it alive.
using SourceWrapper =
    std::function<std::shared_ptr<checkpoint::WeightSource>(std::shared_ptr<checkpoint::WeightSource>)>;

// Every tensor of base, adapters and heads is accounted for, or it fails with names.
Result<AdaptedModel> load_model(const PairEncoder& encoder, const SourceWrapper& wrap = {});

}  // namespace preferd::scorer
