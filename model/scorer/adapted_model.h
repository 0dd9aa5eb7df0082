// The compute side of a package: one base with its adapters and heads, as loaded. Includes torch; internal to
// the room.
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
  std::size_t body = 0;  // index into AdaptedModel::bodies; an adapter with saved modules has a body of its
                         // own
  std::map<std::string, checkpoint::LoraWeights> projections;
  package::HeadSpec spec;
  std::optional<layers::Head> head;  // absent over the LM head
  backend::Linear token_rows;        // the rows of the LM head that are read, otherwise none
  float token_softcap = 0;           // Body::logit_softcap
};

struct AdaptedModel {
  std::string family;
  std::vector<std::unique_ptr<families::Body>> bodies;
  std::vector<LoadedAdapter> adapters;  // in the order of the manifest
  std::int64_t layers = 0;              // of each body
  std::size_t stored_bytes = 0;         // bytes of the weights as stored
  std::size_t linear_bytes = 0;         // the part of these in linears of the base
  std::size_t linear_elements = 0;
  std::vector<std::shared_ptr<checkpoint::WeightSource>> sources;
};

// Given the source of the base's files, returns the source that the bodies read instead: one that decorates
// it (model/checkpoint/writable.h). The model keeps it alive.
using SourceWrapper =
    std::function<std::shared_ptr<checkpoint::WeightSource>(std::shared_ptr<checkpoint::WeightSource>)>;

// Every tensor of base, adapters and heads must be accounted for; otherwise the error names the tensors.
Result<AdaptedModel> load_model(const PairEncoder& encoder, const SourceWrapper& wrap = {});

}  // namespace preferd::scorer
