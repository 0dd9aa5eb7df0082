// What stands around the fields of a sequence: the package's template and chat wrapper, or a conversation in
// the words of the model's own chat template.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/text/compose.h"

namespace preferd::text {

// A field's text: one piece, or, of a prompt in turns, the contents of the turns in order.
using Field = std::vector<std::string>;

// Immutable; any thread.
class Frame {
 public:
  virtual ~Frame() = default;

  // The sequence of the fields, in the order of the layout, without the BOS and EOS that add_bos and add_eos
  // require. `roles`: of the prompt's turns; empty: one user turn. Errors: the template's own, for these
  // fields.
  virtual Result<Composed> compose(std::span<const Field> fields,
                                   std::span<const std::string> roles) const = 0;
};

// Errors: InputBuilder::create's. `spec` and `tokenizer` must outlive the frame.
Result<std::unique_ptr<const Frame>> make_segments_frame(const InputSpec& spec, const Tokenizer& tokenizer,
                                                         const Files& model_directory);
Result<std::unique_ptr<const Frame>> make_conversation_frame(const InputSpec& spec,
                                                             const Tokenizer& tokenizer);

// The names of a layout's fields; a sequence has three, or two: "prompt", "response".
std::vector<std::string> fields_of(Layout layout);

}  // namespace preferd::text
