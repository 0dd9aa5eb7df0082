// What a model would read, as known from its config.json alone: no weights are opened. Names no torch.
#pragma once

#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/checkpoint/weights.h"
#include "model/scorer/pair_encoder.h"

namespace preferd::scorer {

struct ModelShape {
  std::string family;
  std::string prefix;  // prefix that names in a checkpoint may have: "model."
  std::vector<checkpoint::Declared> tensors;
  std::int64_t layers = 0, all_layers = 0;
  std::int64_t width = 0;            // of a pooled state
  std::int64_t most_positions = 0;   // tokens of a sequence; 0: no limit
  bool prequantized = false;         // whether config.json says so
  bool tied = false;                 // whether the LM head exists and is the input embedding
  std::size_t activation_bytes = 0;  // of a full forward
  bool causal = true;                // whether a state depends on its own token and those before it alone
};

// The shape of a package; the LM head is part of it where a head reads it.
Result<ModelShape> model_shape(const PairEncoder& encoder);
Result<ModelShape> model_shape(const package::Manifest& manifest, const Files& base);

// The shape of a Hugging Face model directory: all layers, without the LM head.
Result<ModelShape> base_shape(const Files& folder);

}  // namespace preferd::scorer
