#include "model/text/metaspace.h"

#include <algorithm>
#include <string>

#include "model/text/model_json.h"

namespace preferd::text {
namespace {

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

Result<Metaspace> Metaspace::create(const Json& component) {
  if (type_of(component) != "Metaspace")
    return invalid("tokenizer.json: pre_tokenizer " + type_of(component) + " is not Metaspace");
  const std::string replacement = text_of(member(component, "replacement"));
  if (replacement != kBlock)
    return invalid("tokenizer.json: pre_tokenizer Metaspace has the replacement '" + replacement +
                   "', expected U+2581");
  const std::string scheme = text_of(member(component, "prepend_scheme"));
  const Json& prefix = member(component, "add_prefix_space");  // the older form of `never`
  const bool off = prefix.is_boolean() && !prefix.get<bool>();
  Metaspace out;
  const Json& split = member(component, "split");
  out.cuts = !split.is_boolean() || split.get<bool>();
  if (scheme == "first") out.prepend = Prepend::kFirst;
  if (scheme == "never" || (scheme.empty() && off)) out.prepend = Prepend::kNever;
  return out;
}

bool Metaspace::prepends(std::string_view text, bool first) const {
  const bool wanted = prepend == Prepend::kAlways || (prepend == Prepend::kFirst && first);
  return wanted && !text.empty() && !text.starts_with(' ') && !text.starts_with(kBlock);
}

NormalizedText Metaspace::spaced(const NormalizedText& from, bool first) const {
  NormalizedText out;
  const auto put = [&](std::string_view text, std::uint32_t origin) {
    out.text.append(text);
    out.origin.insert(out.origin.end(), text.size(), origin);
  };
  if (prepends(from.text, first)) put(kBlock, from.origin[0]);
  for (std::size_t i = 0; i < from.text.size(); ++i)
    put(from.text[i] == ' ' ? kBlock : std::string_view(&from.text[i], 1), from.origin[i]);
  return out;
}

std::size_t Metaspace::word_end(std::string_view text, std::size_t begin) const {
  return cuts ? std::min(text.find(kBlock, begin + 1), text.size()) : text.size();
}

}  // namespace preferd::text
