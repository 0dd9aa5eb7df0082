// Makes package.json from the contents of a directory of parts and a few options, for an adapter that PEFT
// trained with a head of one linear layer, or a head that was published with its base. Anything beyond that is
// written by hand (docs/packages.md).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/convert/published_head.h"

namespace preferd::convert {

struct TemplateOptions {
  std::string name;
  // Text around {prompt}, {response_a} and {response_b}, or around {prompt} and {response}: one sequence per
  // pair, or one per response.
  std::string input_template =
      "<prompt>: {prompt}\n\n<response_a>: {response_a}\n\n<response_b>: {response_b}";
  int max_tokens = 2048;
  bool add_bos = false, add_eos = false;
  std::vector<std::string> answer_tokens;  // one or two: the head is these rows of the LM head
};

struct ManifestTemplate {
  OrderedJson json;                          // without base, adapter and golden
  std::map<std::string, std::string> files;  // made for the package: path -> contents
};

// `head_file`: a head with our own names (layers.0.weight); if it is null, the head is the one that PEFT saved
// in `adapter` (null = none) or beside it, or that the base holds (published_head.h), which becomes a file. Its
// width says what it gives: 1 is the logit of "B is better" (with {response}: a response's score), 2 are model_a
// and model_b, 3 are these and a tie.
Result<ManifestTemplate> manifest_template(const TemplateOptions& options, const Files* base,
                                           const Files* adapter, const Bytes* head_file);

// The text of a template as "layout" and "template" of package.json's input. Errors: other fields than
// {prompt}, {response_a} and {response_b}, or {prompt} and {response}.
Result<OrderedJson> input_section(const std::string& input_template);

// What a head reads: one sequence with both responses, or one for each.
enum class Sequences { kPair, kEachResponse };
Sequences sequences_of(const OrderedJson& input);

// The "output" of a head of that width. Errors: no output has it.
Result<std::string> output_of_width(std::int64_t width, Sequences sequences);

// The "quantization" section of a base that bitsandbytes quantized, derived from its tensors; null for a
// dense base.
Result<OrderedJson> stored_quantization(const Files& base);

}  // namespace preferd::convert
