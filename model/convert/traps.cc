#include "model/convert/traps.h"

#include <algorithm>
#include <utility>

#include "model/checkpoint/fields.h"

namespace preferd::convert {
namespace {

// Where a tokenizer adds BOS to a text by itself, who else writes it.
std::string note_on_bos(const scorer::PairEncoder& encoder, const scorer::EncodedOrder& order) {
  const auto& added = encoder.tokenizer().post_processor();
  const text::NamedToken& bos = encoder.tokenizer().bos();
  if (!added || !bos.id || !std::ranges::count(added->one.front, *bos.id)) return "";
  const text::InputSpec& input = encoder.manifest().input;
  const std::string adds = "the tokenizer adds " + bos.text + " to a text by itself, ";
  if (!input.conversation) {
    const bool begins = !order.sequences.empty() && !order.sequences.front().empty() &&
                        order.sequences.front().front() == *bos.id;
    return begins
               ? ""
               : adds + "and the package does not: input.add_bos adds it, if the model was trained with it";
  }
  const std::string& source = input.conversation->source;
  const bool written =
      source.find("bos_token") != std::string::npos || source.find(bos.text) != std::string::npos;
  return written
             ? adds + "and so does the chat template: it stands once"
             : adds +
                   "and the chat template does not: it stands once, and apply_chat_template(tokenize=True) "
                   "of transformers leaves it out";
}

std::string note_on_thought(const scorer::PairEncoder& encoder) {
  const auto& chat = encoder.manifest().input.conversation;
  if (!chat || chat->source.find("<think>") == std::string::npos) return "";
  return "the chat template knows <think> blocks, and writes or removes them in responses as it does in "
         "transformers";
}

std::string note_on_pad(const scorer::EncodedOrder& order) {
  if (order.unread.empty() || order.unread.front().empty()) return "";
  return "the text ends with token " + std::to_string(order.unread.front().back()) +
         ", which config.json names as pad_token_id: the state of the token before it is read, as "
         "transformers does";
}

}  // namespace

Result<std::vector<std::string>> traps_of_text(const scorer::PairEncoder& encoder) {
  const auto encoded = encoder.encode({.pair = {"Hello.", "Hi.", "Hey."}, .adapter = {}});
  if (!encoded) return encoded.error();
  const scorer::EncodedOrder& order = encoded->orders.front();
  std::vector<std::string> notes = {note_on_bos(encoder, order), note_on_thought(encoder),
                                    note_on_pad(order)};
  std::erase(notes, "");
  return notes;
}

Result<std::vector<std::string>> traps_of_base(const scorer::PairEncoder& encoder) {
  const auto config = checkpoint::read_json_object(encoder.base(), "config.json");
  if (!config) return config.error();
  const auto number = [&](const char* key) {
    const auto it = config->find(key);
    return it != config->end() && it->is_number() ? it->get<double>() : 0;
  };
  std::vector<std::string> notes;
  if (number("attn_logit_softcapping") != 0)
    notes.push_back(
        "attention's logits are capped, as config.json says; transformers' sdpa attention drops the cap "
        "silently, so compare with its eager attention");
  const auto window = static_cast<std::int64_t>(number("sliding_window"));
  const bool used = config->value("use_sliding_window", Json(true)) != false;
  if (window > 0 && used && window < encoder.manifest().input.max_tokens)
    notes.push_back(
        "attention sees a window of " + std::to_string(window) +
        " tokens in the layers that config.json says; programs that drop it give other rewards to "
        "longer texts");
  return notes;
}

}  // namespace preferd::convert
