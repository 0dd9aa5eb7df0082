// What a chat template puts around the content of one user turn. The published templates of three families
// are written down here, not interpreted:
//
//   Gemma    <bos><start_of_turn>user\n CONTENT <end_of_turn>\n [<start_of_turn>model\n]
//   Llama-3  <bos>[system turn] user turn with CONTENT [assistant header]; turns are
//            <|start_header_id|>ROLE<|end_header_id|>\n\nTEXT<|eot_id|>
//   ChatML   [system turn] user turn with CONTENT [<|im_start|>assistant\n]; turns are
//            <|im_start|>ROLE\nTEXT<|im_end|>\n
//
// Gemma and Llama-3 trim the text of a turn. Gemma has no system role: its text goes before the content, with
// a blank line. A ChatML template may write a system turn of its own if none is given (Qwen2.5, SmolLM2); its
// text is read from the directory's template. Some Llama-3 templates write the assistant header whether it is
// requested or not.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"
#include "model/text/input.h"

namespace preferd::text {

enum class Trim { kNone, kRight, kBoth };

struct ChatWrapper {
  std::string before, after;  // parsed for control tokens
  Trim trim = Trim::kNone;    // what happens to the content's white space
};

// Whether a model directory has a template of its own: chat_template.jinja, or one in tokenizer_config.json.
bool has_chat_template(const Files& model_directory);

// Uses the directory's template if there is one; the control tokens show the family. Errors: none of the
// families; a template that differs from its family's.
Result<ChatWrapper> chat_wrapper(const ChatSpec& chat, const Tokenizer& tokenizer,
                                 const Files& model_directory);

}  // namespace preferd::text
