// What stands around the content of one user turn where a package asks for a chat wrapper.
//
// The directory's own template is executed. Where there is none, the control tokens show which of three
// families the model is of, whose turns are written down here:
//
//   Gemma    <bos><start_of_turn>user\n CONTENT <end_of_turn>\n [<start_of_turn>model\n]
//   Llama-3  <bos>[system turn] user turn with CONTENT [assistant header]; turns are
//            <|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|>
//   ChatML   [system turn] user turn with CONTENT [<|im_start|>assistant\n]; turns are
//            <|im_start|>ROLE\nTEXT<|im_end|>\n
//
// Gemma and Llama-3 trim the text of a turn. Gemma has no system role, and neither has a template that refuses
// one: the system's text then goes before the content, with a blank line.
#pragma once

#include <memory>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "model/text/compose.h"
#include "model/text/input.h"

namespace preferd::text {

// Immutable; any thread.
class ChatWrapper {
 public:
  virtual ~ChatWrapper() = default;

  // `body` with the wrapper around it, as the template has it; texts that are made go to `keep`, which must
  // outlive the parts. What the template writes is parsed for control tokens and never cut. Errors: the
  // template's own.
  virtual Result<std::vector<PartText>> wrap(std::vector<PartText> body,
                                             std::vector<std::string>& keep) const = 0;
};

// Whether a model directory has a template of its own.
bool has_chat_template(const Files& model_directory);

// Errors: a template that is not supported, or refuses what the package asks for; none of the families.
Result<std::unique_ptr<const ChatWrapper>> chat_wrapper(const ChatSpec& chat, const Tokenizer& tokenizer,
                                                        const Files& model_directory);

}  // namespace preferd::text
