#include <algorithm>

#include "base/unicode.h"
#include "model/text/template/attributes.h"
#include "model/text/template/case.h"
#include "model/text/template/filters.h"
#include "model/text/template/html.h"
#include "model/text/template/json.h"
#include "model/text/template/objects.h"
#include "model/text/template/operators.h"
#include "model/text/template/repr.h"
#include "model/text/template/strings.h"

namespace preferd::text::jinja {
namespace {

// soft_str() of markupsafe: a string as it is, markup included, and str() of what is none.
Text soft(Rendering& r, const Value& value) { return value.is_text() ? value.text() : str(r, value); }

Value trim(Rendering& r, const Bound& b) {
  return strip(r, soft(r, b[0]), b.given_not_none(1) ? &b.text(1) : nullptr, Sides::kBoth);
}

Value replaced(Rendering& r, const Bound& b) {
  return replace(r, str(r, b[0]), str(r, b[1]), str(r, b[2]), b.given_not_none(3) ? b.integer(3) : -1);
}

Value join(Rendering& r, const Bound& b) {
  const Text between = b.given(1) ? str(r, b[1]) : Text();
  const Path path(b.given(2) ? b[2] : Value::none());
  const auto items = require_iterator(r, b[0]);
  TextBuilder out(r);
  bool first = true;
  for (Value item = items->next(r); !item.is_missing(); item = items->next(r)) {
    if (!first) out.add(between);
    first = false;
    out.add(str(r, path(r, std::move(item))));
  }
  return out.done();
}

Value escape(Rendering& r, const Bound& b) { return escaped(r, soft(r, b[0])); }

Value force_escape(Rendering& r, const Bound& b) { return escaped(r, str(r, b[0])); }

Value safe(Rendering& r, const Bound& b) {
  Text text = str(r, b[0]);
  text.markup = true;
  return r.text(std::move(text));
}

Value indent(Rendering& r, const Bound& b) {
  if (!b[0].is_text()) return add(r, b[0], Text(U"\n"));
  const Text& text = b.text(0);
  Text by = b.given(1) && b[1].is_text() ? b[1].text() : Text();
  if (!b.given(1) || !b[1].is_text()) {
    const std::int64_t width = std::max<std::int64_t>(b.integer_or(1, 4), 0);
    r.check_text(static_cast<std::size_t>(width));
    by = Text(std::u32string(static_cast<std::size_t>(width), U' '));
  }
  if (by.markup != text.markup && (by.markup || text.markup) && b.given(1) && b[1].is_text())
    refuse("indenting text that is safe or escaped by a string is not supported");
  const bool first = b.given(2) && truth(r, b[2]), blank = b.given(3) && truth(r, b[3]);
  Text ended = text;
  ended.append(U'\n', kTemplate);
  const Value lines = split_lines(r, ended, 0);
  TextBuilder out(r);
  for (std::size_t i = 0; i < lines.items().size(); ++i) {
    const Text& line = lines.items()[i].text();
    if (i > 0) out.add("\n");
    if (i == 0 ? first : blank || !line.empty()) out.add(by);
    out.add(line);
  }
  return out.done_as(text);
}

Value truncate(Rendering& r, const Bound& b) {
  const std::int64_t length = b.integer_or(1, 255), leeway = b.given_not_none(4) ? b.integer(4) : 5;
  const Value end = b.value_or(3, Text(U"..."));
  if (!end.is_text()) refuse("truncate() expects a string as its end");
  const auto end_size = static_cast<std::int64_t>(end.text().size());
  if (length < end_size || leeway < 0)
    refuse("truncate() expects a length above that of its end, and a leeway of 0 or more");
  const auto size = jinja::length(r, b[0]);
  if (!size) refuse(std::string("truncate() expects a string, but finds ") + b[0].type_name());
  if (*size <= length + leeway) return b[0];
  const Text& text = b.text(0);
  Text cut = text.sub(0, static_cast<std::size_t>(length - end_size));
  if (!b.given(2) || !truth(r, b[2])) {
    const std::size_t space = cut.chars().rfind(U' ');
    if (space != kNotFound) cut = cut.sub(0, space);
  }
  cut.markup = text.markup;
  return add(r, cut, end);
}

Value word_count(Rendering& r, const Bound& b) {
  const Text text = soft(r, b[0]);
  std::int64_t count = 0;
  bool inside = false;
  for (const char32_t c : text.chars()) {
    const bool word = unicode::is_word(c);
    count += word && !inside ? 1 : 0;
    inside = word;
  }
  return Value::integer(count);
}

Value attr(Rendering& r, const Bound& b) {
  if (!b[1].is_text()) refuse("attr() expects the name of an attribute");
  return attribute_only(r, b[0], b[1].text().utf8());
}

using R = Rendering;
using B = Bound;

}  // namespace

Value format_filter(Rendering& r, const Value& value, Arguments arguments) {
  if (!arguments.positional.empty() && !arguments.keywords.empty())
    refuse("format() takes either positional or named arguments");
  const Value format = soft(r, value);
  if (arguments.keywords.empty()) return binary(r, "%", format, r.tuple(std::move(arguments.positional)));
  std::vector<Pair> items;
  for (auto& [name, given] : arguments.keywords) items.emplace_back(Text::from_utf8(name), std::move(given));
  return binary(r, "%", format, r.dict(std::move(items)));
}

const std::vector<Filter>& text_filters() {
  static const std::vector<Filter> kFilters = {
      {{"attr", {"obj", "name"}, 2}, attr},
      {{"capitalize", {"s"}, 1}, [](R& r, const B& b) { return capitalize(r, soft(r, b[0])); }},
      {{"center", {"value", "width"}, 1},
       [](R& r, const B& b) { return center(r, soft(r, b[0]), b.integer_or(1, 80), Text(U" ")); }},
      {{"e", {"s"}, 1, 1}, escape},
      {{"escape", {"s"}, 1, 1}, escape},
      {{"forceescape", {"value"}, 1}, force_escape},
      {{"indent", {"s", "width", "first", "blank"}, 1}, indent},
      {{"join", {"value", "d", "attribute"}, 1}, join},
      {{"lower", {"s"}, 1}, [](R& r, const B& b) { return lower(r, soft(r, b[0])); }},
      {{"replace", {"s", "old", "new", "count"}, 3}, replaced},
      {{"safe", {"value"}, 1}, safe},
      {{"string", {"s"}, 1, 1}, [](R& r, const B& b) { return r.text(soft(r, b[0])); }},
      {{"title", {"s"}, 1}, [](R& r, const B& b) { return title_words(r, soft(r, b[0])); }},
      {{"tojson", {"x", "ensure_ascii", "indent", "separators", "sort_keys"}, 1}, to_json},
      {{"trim", {"value", "chars"}, 1}, trim},
      {{"truncate", {"s", "length", "killwords", "end", "leeway"}, 1}, truncate},
      {{"upper", {"s"}, 1}, [](R& r, const B& b) { return upper(r, soft(r, b[0])); }},
      {{"wordcount", {"s"}, 1}, word_count},
  };
  return kFilters;
}

}  // namespace preferd::text::jinja
