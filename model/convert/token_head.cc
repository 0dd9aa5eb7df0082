#include "model/convert/token_head.h"

#include "model/checkpoint/fields.h"
#include "model/checkpoint/weights.h"
#include "model/scorer/model_shape.h"
#include "model/text/tokenizer.h"

namespace preferd::convert {
namespace {

constexpr const char *kOutput = "lm_head.weight", *kEmbedding = "embed_tokens.weight";

Status check_logits(const Files& base) {
  const auto config = checkpoint::read_json_object(base, "config.json");
  if (!config) return config.error();
  checkpoint::Fields fields(*config, base.name() + "/config.json");
  if (fields.number_or("final_logit_softcapping", 0) != 0)
    fields.fail("final_logit_softcapping caps the logits, which a head of rows of the LM head cannot");
  return fields.status();
}

// The LM head, or the input embedding that takes its place.
Result<checkpoint::StoredTensor> output_of(const Files& base) {
  const auto shape = scorer::base_shape(base);
  if (!shape) return shape.error();
  const auto tensors = checkpoint::read_checkpoint(base);
  if (!tensors) return tensors.error();
  const checkpoint::BareNames bare(*tensors, shape->prefix);
  const char* const wanted = shape->tied ? kEmbedding : kOutput;
  const checkpoint::StoredTensor* found = nullptr;
  for (const auto& [name, tensor] : *tensors) {
    if (bare(name) == wanted) found = &tensor;
    if (bare(name) == "lm_head.bias")
      return invalid(base.name() + ": the LM head has a bias, which a reward of its logits does not take");
  }
  if (found == nullptr) return invalid(base.name() + ": there is no " + std::string(wanted));
  if (!quant::is_floating(found->dtype) || found->shape.size() != 2)
    return invalid(base.name() + ": " + wanted + " is quantized, expected floats");
  return *found;
}

std::vector<float> row_of(const checkpoint::StoredTensor& matrix, std::int32_t row) {
  const auto width = static_cast<std::size_t>(matrix.shape[1]);
  const std::size_t bytes = width * quant::size_of(matrix.dtype);
  std::vector<float> out(width);
  quant::widen(matrix.dtype, matrix.bytes.data() + static_cast<std::size_t>(row) * bytes, width, out.data());
  return out;
}

}  // namespace

Result<PublishedHead> token_head(const Files& base, const std::vector<std::string>& tokens) {
  if (tokens.empty() || tokens.size() > 2)
    return invalid("token names " + std::to_string(tokens.size()) + " tokens, expected one or two");
  if (const Status s = check_logits(base); !s) return s.error();
  const auto tokenizer = text::load_tokenizer(base);
  if (!tokenizer) return tokenizer.error();
  const auto output = output_of(base);
  if (!output) return output.error();
  std::vector<float> values;
  for (const std::string& token : tokens) {
    const auto id = (*tokenizer)->single(token);
    if (!id || *id >= output->shape[0]) return invalid("token '" + token + "' is not one token of the model");
    const std::vector<float> row = row_of(*output, *id);
    if (values.empty())
      values = row;
    else
      for (std::size_t i = 0; i < row.size(); ++i) values[i] -= row[i];
  }
  PublishedHead head;
  head.name = "lm_head";
  head.outputs = 1;
  const auto width = static_cast<std::int64_t>(values.size());
  head.section = {{"pooling", "last"},
                  {"layers", {{{"type", "linear"}, {"in", width}, {"out", 1}, {"bias", false}}}}};
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  head.tensors["layers.0.weight"] = {quant::DType::kF32, {1, width}, std::as_bytes(std::span(*owner)), owner};
  head.notes.push_back(tokens.size() == 1
                           ? "the reward is the logit of the token '" + tokens[0] + "' behind the text"
                           : "the reward is the logit of '" + tokens[0] + "' less that of '" + tokens[1] +
                                 "' behind the text");
  return head;
}

}  // namespace preferd::convert
