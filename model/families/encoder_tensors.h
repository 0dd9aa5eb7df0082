// How encoders ask for their tensors: tables of positions and types, linears with biases, layer norms.
#pragma once

#include <cstdint>
#include <string>

#include "model/backend/operands.h"
#include "model/checkpoint/weights.h"

namespace preferd::families {

class EncoderTensors {
 protected:
  // `weights` must outlive this; `hidden` and `eps`: of every norm.
  EncoderTensors(checkpoint::WeightSource& weights, std::int64_t hidden, float eps)
      : weights_(weights), hidden_(hidden), eps_(eps) {}

  backend::Embedding table(const std::string& module, std::int64_t rows, std::int64_t cols) {
    return {weights_.plain(module + ".weight", {rows, cols}), ""};
  }

  backend::Linear linear(const std::string& module, std::int64_t out, std::int64_t in) {
    backend::Linear l{weights_.linear(module + ".weight", out, in), {}, module};
    l.bias = weights_.vector(module + ".bias", out);
    return l;
  }

  backend::LayerNorm norm(const std::string& module) {
    backend::LayerNorm n;
    n.weight = weights_.vector(module + ".weight", hidden_);
    n.bias = weights_.vector(module + ".bias", hidden_);
    n.eps = eps_;
    return n;
  }

  checkpoint::WeightSource& weights_;

 private:
  std::int64_t hidden_;
  float eps_;
};

}  // namespace preferd::families
