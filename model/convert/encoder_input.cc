#include "model/convert/encoder_input.h"

#include <algorithm>

#include "model/checkpoint/fields.h"
#include "model/text/tokenizer.h"

namespace preferd::convert {
namespace {

// The texts of control tokens.
Result<std::string> text_of(const text::Tokenizer& tokenizer, const std::vector<std::int32_t>& ids) {
  std::string text;
  for (const std::int32_t id : ids) {
    const auto token = std::ranges::find(tokenizer.controls(), id, &text::ControlToken::id);
    if (token == tokenizer.controls().end())
      return invalid("tokenizer.json: post_processor adds the token " + std::to_string(id) +
                     ", which is no control token");
    text += token->text;
  }
  return text;
}

OrderedJson segment_of(const std::string& text) { return OrderedJson{{"text", text}, {"special", true}}; }

// Whether the tokenizer knows the text as one token with that id, a control token or a plain one.
bool names(const text::Tokenizer& tokenizer, const std::string& text, std::int32_t id) {
  const auto control = std::ranges::find(tokenizer.controls(), text, &text::ControlToken::text);
  return control != tokenizer.controls().end() ? control->id == id : tokenizer.single(text) == id;
}

// The token behind which the second text of a pair begins, where the model tells the two texts apart by types.
Result<std::optional<std::int32_t>> second_type_after(const Files& base, const Json& config,
                                                      const std::string& family,
                                                      const text::PostProcessor& around) {
  checkpoint::Fields fields(config, base.name() + "/config.json");
  const std::int64_t types =
      fields.integer_or("type_vocab_size", family == "bert" ? 2 : 0, 0, std::int64_t{1} << 24);
  if (const Status s = fields.status(); !s) return s.error();
  if (types < 2 || around.types == text::PairTypes::kOne) return std::optional<std::int32_t>();
  const auto& front = around.two.front;
  if (around.types == text::PairTypes::kOther || around.two.middle.size() != 1 ||
      std::ranges::count(front, around.two.middle[0]) > 0)
    return invalid(base.name() +
                   "/tokenizer.json: post_processor: tokens of type 1 do not begin behind one separator");
  return std::optional(around.two.middle[0]);
}

}  // namespace

Result<PairOfTexts> pair_of_texts(const Files& base, const Json& config, const std::string& family) {
  const auto tokenizer = text::load_tokenizer(base);
  if (!tokenizer) return tokenizer.error();
  const auto& around = (*tokenizer)->post_processor();
  if (!around) return invalid(base.name() + "/" + around.error().what);
  if (around->two.middle.empty() && around->two.front.empty())
    return invalid(base.name() +
                   ": the tokenizer has no template for a pair of texts; expected --template FILE with text "
                   "around {prompt} and {response}");
  const auto separator = second_type_after(base, config, family, *around);
  if (!separator) return separator.error();
  OrderedJson segments = OrderedJson::array();
  const char* after = "prompt";
  for (const auto* ids : {&around->two.front, &around->two.middle, &around->two.back}) {
    const auto text = text_of(**tokenizer, *ids);
    if (!text) return invalid(base.name() + "/" + text.error().what);
    segments.push_back(segment_of(*text));
    if (ids != &around->two.back) segments.push_back({{"field", after}});
    after = "response";
  }
  return PairOfTexts{{{"layout", "per_response"}, {"template", segments}, {"tokenize", "segments"}},
                     *separator};
}

Result<OrderedJson> marked_texts(const Files& base, const std::vector<std::int32_t>& markers) {
  const auto tokenizer = text::load_tokenizer(base);
  if (!tokenizer) return tokenizer.error();
  const auto& around = (*tokenizer)->post_processor();
  if (!around) return invalid(base.name() + "/" + around.error().what);
  const auto front = text_of(**tokenizer, around->one.front), back = text_of(**tokenizer, around->one.back);
  for (const auto* text : {&front, &back})
    if (!*text) return invalid(base.name() + "/" + text->error().what);
  constexpr struct {
    const char *key, *text, *field;
  } kParts[] = {{"source_prefix_id", "<|source|>", "prompt"},
                {"cand1_prefix_id", "<|candidate1|>", "response_a"},
                {"cand2_prefix_id", "<|candidate2|>", "response_b"}};
  OrderedJson segments = OrderedJson::array();
  std::string before;  // ends the text before
  for (std::size_t i = 0; i < std::size(kParts); ++i) {
    if (!names(**tokenizer, kParts[i].text, markers[i]))
      return invalid(base.name() + "/config.json: " + kParts[i].key + " is " + std::to_string(markers[i]) +
                     ", expected the id of " + kParts[i].text + " in the tokenizer");
    segments.push_back(segment_of(before + *front + kParts[i].text));
    segments.push_back({{"field", kParts[i].field}});
    before = *back;
  }
  if (!before.empty()) segments.push_back(segment_of(before));
  return OrderedJson{{"layout", "pair"}, {"template", segments}};
}

}  // namespace preferd::convert
