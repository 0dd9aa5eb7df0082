// The families, one function and one file each; registry.cc lists them.
#pragma once

#include <memory>

#include "model/families/body.h"

namespace preferd {

std::unique_ptr<Body> build_bilstm(Fields& config, WeightSource& weights, const BodyOptions& options);
std::unique_ptr<Body> build_deberta_v2(Fields& config, WeightSource& weights, const BodyOptions& options);
std::unique_ptr<Body> build_gemma2(Fields& config, WeightSource& weights, const BodyOptions& options);
std::unique_ptr<Body> build_llama(Fields& config, WeightSource& weights, const BodyOptions& options);
std::unique_ptr<Body> build_mistral(Fields& config, WeightSource& weights, const BodyOptions& options);
std::unique_ptr<Body> build_qwen2(Fields& config, WeightSource& weights, const BodyOptions& options);

}  // namespace preferd
