#include "model/text/template/json.h"

#include <algorithm>
#include <cmath>

#include "model/text/template/compare.h"
#include "model/text/template/objects.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

struct Style {
  bool ascii = false, indents = false, sorted = false;
  Text indent, between,
      behind_key;  // what one level is indented by, what separates items, and keys from values
};

std::string hex4(char32_t c) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out = "\\u";
  for (int i = 3; i >= 0; --i) out += kDigits[(c >> (4 * i)) & 15];
  return out;
}

// The escape of a character; empty if it stands for itself.
std::string escape(char32_t c, bool ascii) {
  switch (c) {
    case U'"': return "\\\"";
    case U'\\': return "\\\\";
    case U'\n': return "\\n";
    case U'\r': return "\\r";
    case U'\t': return "\\t";
    case U'\f': return "\\f";
    case U'\b': return "\\b";
    default: break;
  }
  if (c >= 0x20 && (c < 0x7F || !ascii)) return "";
  if (c < 0x10000) return hex4(c);
  return hex4(0xD800 + ((c - 0x10000) >> 10)) + hex4(0xDC00 + ((c - 0x10000) & 0x3FF));
}

class Writer {
 public:
  Writer(Rendering& r, const Style& style) : r_(r), style_(style), out_(r) {}

  void write(const Value& value, std::size_t level) {
    r_.spend(1);
    if (value.is_text()) return text(value.text());
    if (value.is_none()) return out_.add("null");
    if (value.is_bool()) return out_.add(value.boolean() ? "true" : "false");
    if (value.is_int()) return out_.add(std::to_string(value.integer()));
    if (value.is_float()) return out_.add(number(value.number()));
    if (value.is_sequence()) return items(value.items(), level);
    if (value.is_dict()) return members(value.dict()->items, level);
    refuse(std::string("a value of type ") + value.type_name() + " cannot be written as JSON");
  }

  Value done() { return out_.done(); }

 private:
  static std::string number(double value) {
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return float_repr(value);
  }

  void text(const Text& text) {
    out_.add("\"");
    std::size_t copied = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::string escaped = escape(text[i], style_.ascii);
      if (escaped.empty()) continue;
      out_.add(text, copied, i);
      out_.add(escaped, text.source_at(i));
      copied = i + 1;
    }
    out_.add(text, copied, text.size());
    out_.add("\"");
  }

  void key(const Value& key) {
    if (key.is_text()) return text(key.text());
    if (!key.is_none() && !key.is_number())
      refuse(std::string("a key of type ") + key.type_name() + " cannot be written as JSON");
    out_.add("\"");
    write(key, 0);
    out_.add("\"");
  }

  void line(std::size_t level) {
    if (!style_.indents) return;
    out_.add("\n");
    for (std::size_t i = 0; i < level; ++i) out_.add(style_.indent);
  }

  void items(const std::vector<Value>& values, std::size_t level) {
    if (values.empty()) return out_.add("[]");
    out_.add("[");
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out_.add(style_.between);
      line(level + 1);
      write(values[i], level + 1);
    }
    line(level);
    out_.add("]");
  }

  void members(std::vector<Pair> pairs, std::size_t level) {
    if (pairs.empty()) return out_.add("{}");
    if (style_.sorted)
      std::stable_sort(pairs.begin(), pairs.end(),
                       [&](const Pair& a, const Pair& b) { return compare(r_, a.first, b.first) < 0; });
    out_.add("{");
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      if (i > 0) out_.add(style_.between);
      line(level + 1);
      key(pairs[i].first);
      out_.add(style_.behind_key);
      write(pairs[i].second, level + 1);
    }
    line(level);
    out_.add("}");
  }

  Rendering& r_;
  const Style& style_;
  TextBuilder out_;
};

Style style_of(Rendering& r, const Bound& arguments) {
  Style style;
  style.ascii = arguments.given(1) && truth(r, arguments[1]);
  style.indents = arguments.given_not_none(2);
  if (style.indents && arguments[2].is_text()) {
    style.indent = arguments[2].text();
  } else if (style.indents) {
    const std::int64_t width = std::max<std::int64_t>(arguments.integer(2), 0);
    r.check_text(static_cast<std::size_t>(width));
    style.indent = Text(std::u32string(static_cast<std::size_t>(width), U' '));
  }
  style.between = Text(style.indents ? U"," : U", ");
  style.behind_key = Text(U": ");
  if (arguments.given_not_none(3)) {
    const std::vector<Value> pair = all_items(r, arguments[3]);
    if (pair.size() != 2 || !pair[0].is_text() || !pair[1].is_text())
      refuse("tojson() expects two strings as separators");
    style.between = pair[0].text();
    style.behind_key = pair[1].text();
  }
  style.sorted = arguments.given(4) && truth(r, arguments[4]);
  return style;
}

}  // namespace

Value to_json(Rendering& r, const Bound& arguments) {
  const Style style = style_of(r, arguments);
  Writer writer(r, style);
  writer.write(arguments[0], 0);
  return writer.done();
}

}  // namespace preferd::text::jinja
