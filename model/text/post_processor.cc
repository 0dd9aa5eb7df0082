#include "model/text/post_processor.h"

#include <string>

#include "base/schema.h"

#include "model/text/model_json.h"

namespace preferd::text {
namespace {

Error malformed(const std::string& what) { return invalid("tokenizer.json: post_processor: " + what); }

// special_tokens[name].ids
Result<std::vector<std::int32_t>> ids_of(const Json& tokens, const Json& name) {
  const Json& token = name.is_string() ? member(tokens, name.get_ref<const std::string&>().c_str()) : tokens;
  const Json& ids = member(token, "ids");
  if (!ids.is_array()) return malformed("special_tokens has no ids for " + describe(name));
  std::vector<std::int32_t> out;
  for (const Json& id : ids) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= (1u << 24))
      return malformed("an id is " + describe(id) + ", expected an integer from 0 to 16777215");
    out.push_back(id.get<std::int32_t>());
  }
  return out;
}

// A template: pieces {"SpecialToken": {"id"}} and {"Sequence": {"id": "A" | "B"}}.
Result<Surrounding> read_template(const Json& pieces, const Json& tokens, const std::string& texts) {
  if (!pieces.is_array()) return malformed("a template is " + describe(pieces) + ", expected an array");
  Surrounding out;
  std::vector<std::int32_t>* into[] = {&out.front, texts.size() == 2 ? &out.middle : &out.back, &out.back};
  std::string seen;
  for (const Json& piece : pieces) {
    const Json& sequence = member(piece, "Sequence");
    if (!sequence.is_null()) {
      const Json& id = member(sequence, "id");
      seen += id.is_string() ? id.get<std::string>() : "?";
      if (!texts.starts_with(seen)) return malformed("a template has the texts in the order " + seen);
      continue;
    }
    const auto ids = ids_of(tokens, member(member(piece, "SpecialToken"), "id"));
    if (!ids) return ids.error();
    into[seen.size()]->insert(into[seen.size()]->end(), ids->begin(), ids->end());
  }
  if (seen != texts) return malformed("a template lacks the text " + texts.substr(seen.size()));
  return out;
}

// "cls" and "sep" of the older types: ["[CLS]", 101].
Result<std::int32_t> end_token(const Json& component, const char* key) {
  const Json& pair = member(component, key);
  if (!pair.is_array() || pair.size() != 2 || !pair[1].is_number_unsigned() ||
      pair[1].get<std::uint64_t>() >= (1u << 24))
    return malformed(std::string(key) + " is " + describe(pair) + ", expected a token and its id");
  return pair[1].get<std::int32_t>();
}

PairTypes types_of(const Json& pieces) {
  bool any = false, usual = true, second = false;
  for (const Json& piece : pieces) {
    const Json& sequence = member(piece, "Sequence");
    second = second || member(sequence, "id") == Json("B");
    const Json& type = member(sequence.is_null() ? member(piece, "SpecialToken") : sequence, "type_id");
    const bool set = !type.is_null() && type != Json(0);
    any = any || set;
    usual = usual && set == second && (!set || type == Json(1));
  }
  return !any ? PairTypes::kOne : usual ? PairTypes::kSecond : PairTypes::kOther;
}

Result<PostProcessor> read_ends(const Json& component, std::size_t separators) {
  const auto cls = end_token(component, "cls"), sep = end_token(component, "sep");
  if (!cls) return cls.error();
  if (!sep) return sep.error();
  PostProcessor out;
  out.one = {{*cls}, {}, {*sep}};
  out.two = {{*cls}, std::vector<std::int32_t>(separators, *sep), {*sep}};
  if (separators == 1) out.types = PairTypes::kSecond;
  return out;
}

bool adds(const PostProcessor& p) { return !p.one.front.empty() || !p.one.back.empty(); }

Result<PostProcessor> read_sequence(const Json& component) {
  const Json& parts = member(component, "processors");
  if (!parts.is_array()) return malformed("processors is " + describe(parts) + ", expected an array");
  PostProcessor out;
  for (const Json& part : parts) {
    if (type_of(part) == "Sequence") return malformed("a Sequence in a Sequence is not supported");
    auto read = read_post_processor(part);
    if (!read) return read.error();
    if (!adds(*read)) continue;
    if (adds(out)) return malformed("two parts of a Sequence add tokens");
    out = std::move(*read);
  }
  return out;
}

}  // namespace

Result<PostProcessor> read_post_processor(const Json& component) {
  if (component.is_null()) return PostProcessor{};
  const std::string type = type_of(component);
  if (type == "ByteLevel") return PostProcessor{};
  if (type == "BertProcessing") return read_ends(component, 1);
  if (type == "RobertaProcessing") return read_ends(component, 2);
  if (type == "Sequence") return read_sequence(component);
  if (type != "TemplateProcessing") return malformed("type " + type + " is not supported");
  const Json& tokens = member(component, "special_tokens");
  auto one = read_template(member(component, "single"), tokens, "A");
  if (!one) return one.error();
  auto two = read_template(member(component, "pair"), tokens, "AB");
  if (!two) return two.error();
  return PostProcessor{std::move(*one), std::move(*two), types_of(member(component, "pair"))};
}

}  // namespace preferd::text
