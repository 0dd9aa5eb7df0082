// Makes package.json from the contents of a directory of parts and a few options, for an adapter that PEFT
// trained with a head of one linear layer. Anything beyond that is written by hand (docs/packages.md).
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/result.h"

namespace preferd::convert {

using OrderedJson = nlohmann::ordered_json;

struct TemplateOptions {
  std::string name;
  // Text around {prompt}, {response_a} and {response_b}, or around {prompt} and {response}: one sequence per
  // pair, or one per response.
  std::string input_template =
      "<prompt>: {prompt}\n\n<response_a>: {response_a}\n\n<response_b>: {response_b}";
  int max_tokens = 2048;
  bool add_bos = false, add_eos = false;
  std::vector<std::string> answer_tokens;  // two: the head is these rows of the LM head
};

// The manifest without base, adapter and golden. `head_file`: a head with our own names (layers.0.weight); if
// it is null, the head is the one that PEFT saved in `adapter` (score or classifier; null = none). Its width
// says what it gives: 1 is the logit of "B is better" (with {response}: a response's score), 2 are model_a
// and model_b, 3 are these and a tie.
Result<OrderedJson> manifest_template(const TemplateOptions& options, const Files* adapter,
                                      const Bytes* head_file);

// The "quantization" section of a base that bitsandbytes quantized, derived from its tensors; null for a
// dense base.
Result<OrderedJson> stored_quantization(const Files& base);

}  // namespace preferd::convert
