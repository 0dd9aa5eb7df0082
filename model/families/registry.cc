#include <algorithm>
#include <array>

#include "model/families/body.h"
#include "model/families/families.h"

namespace preferd::families {
namespace {

constexpr std::array<Family, 18> kFamilies = {{
    {"bert", "bert.", "num_hidden_layers", AttentionMask::kBidirectional, build_bert},
    {"bilstm", "", "hidden_sizes", AttentionMask::kBidirectional, build_bilstm},
    {"deberta_v2", "deberta.", "num_hidden_layers", AttentionMask::kBidirectional, build_deberta_v2},
    {"gemma", "model.", "num_hidden_layers", AttentionMask::kCausal, build_gemma},
    {"gemma2", "model.", "num_hidden_layers", AttentionMask::kCausal, build_gemma2},
    {"gemma3_text", "model.", "num_hidden_layers", AttentionMask::kCausal, build_gemma3_text},
    {"gpt_neox", "gpt_neox.", "num_hidden_layers", AttentionMask::kCausal, build_gpt_neox},
    {"internlm2", "model.", "num_hidden_layers", AttentionMask::kCausal, build_internlm2},
    {"llama", "model.", "num_hidden_layers", AttentionMask::kCausal, build_llama},
    {"mistral", "model.", "num_hidden_layers", AttentionMask::kCausal, build_mistral},
    {"modernbert", "model.", "num_hidden_layers", AttentionMask::kBidirectional, build_modernbert},
    {"olmo2", "model.", "num_hidden_layers", AttentionMask::kCausal, build_olmo2},
    {"phi3", "model.", "num_hidden_layers", AttentionMask::kCausal, build_phi3, kPhi3Rope},
    {"qwen2", "model.", "num_hidden_layers", AttentionMask::kCausal, build_qwen2},
    {"qwen3", "model.", "num_hidden_layers", AttentionMask::kCausal, build_qwen3},
    {"roberta", "roberta.", "num_hidden_layers", AttentionMask::kBidirectional, build_roberta},
    {"smollm3", "model.", "num_hidden_layers", AttentionMask::kCausal, build_smollm3},
    {"xlm_roberta", "roberta.", "num_hidden_layers", AttentionMask::kBidirectional, build_roberta},
}};

}  // namespace

bool shares_prefixes(const Family& family, const checkpoint::Fields& config, std::int64_t positions) {
  checkpoint::Fields fields(config.json(), config.where());
  return family.mask == AttentionMask::kCausal &&
         !layers::depends_on_length(layers::read_rope(fields, family.rope), positions);
}

Result<const Family*> find_family(const std::string& model_type) {
  std::string known;
  for (const Family& family : kFamilies) {
    if (model_type == family.model_type) return &family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  return invalid("model_type '" + model_type + "' is not one of " + known);
}

Result<const Family*> family_of(checkpoint::Fields& config) {
  std::string model_type = config.text("model_type");
  std::replace(model_type.begin(), model_type.end(), '-', '_');
  if (const Status status = config.status(); !status) return status.error();
  const auto family = find_family(model_type);
  if (!family) return invalid(config.where() + ": " + family.error().what);
  return family;
}

}  // namespace preferd::families
