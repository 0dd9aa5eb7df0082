// The families, one function and one file each; registry.cc lists them.
#pragma once

#include <memory>

#include "model/families/body.h"

namespace preferd::families {

// Older files of Phi-3 call longrope "su" or "yarn".
inline constexpr layers::RopeDefaults kPhi3Rope = {
    .rotated = 1, .original = 4096, .long_names = {"su", "yarn"}};

std::unique_ptr<Body> build_bert(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                 const BodyOptions& options);
std::unique_ptr<Body> build_bilstm(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                   const BodyOptions& options);
std::unique_ptr<Body> build_deberta_v2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                       const BodyOptions& options);
std::unique_ptr<Body> build_gemma(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options);
std::unique_ptr<Body> build_gemma2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                   const BodyOptions& options);
std::unique_ptr<Body> build_gemma3_text(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                        const BodyOptions& options);
std::unique_ptr<Body> build_gpt_neox(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                     const BodyOptions& options);
std::unique_ptr<Body> build_internlm2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                      const BodyOptions& options);
std::unique_ptr<Body> build_llama(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options);
std::unique_ptr<Body> build_mistral(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                    const BodyOptions& options);
std::unique_ptr<Body> build_modernbert(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                       const BodyOptions& options);
std::unique_ptr<Body> build_olmo2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options);
std::unique_ptr<Body> build_phi3(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                 const BodyOptions& options);
std::unique_ptr<Body> build_qwen2(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options);
std::unique_ptr<Body> build_qwen3(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                  const BodyOptions& options);
std::unique_ptr<Body> build_roberta(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                    const BodyOptions& options);
std::unique_ptr<Body> build_smollm3(checkpoint::Fields& config, checkpoint::WeightSource& weights,
                                    const BodyOptions& options);

}  // namespace preferd::families
