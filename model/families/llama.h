// Llama and what shares its form (SmolLM2): RMSNorm before each half, rotary positions, grouped-query
// attention, SwiGLU.
#pragma once

#include "model/families/body.h"

namespace preferd {

std::unique_ptr<Body> build_llama(Fields& config, WeightSource& weights, const BodyOptions& options);

}  // namespace preferd
