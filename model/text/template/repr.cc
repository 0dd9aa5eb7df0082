#include "model/text/template/repr.h"

#include <unicode/uchar.h>

#include <charconv>
#include <cmath>

#include "model/text/template/objects.h"

namespace preferd::text::jinja {
namespace {

void write(Rendering& r, TextBuilder& out, const Value& value, int depth);

std::string escape_of(char32_t c) {
  if (c == U'\n') return "\\n";
  if (c == U'\r') return "\\r";
  if (c == U'\t') return "\\t";
  constexpr const char* kDigits = "0123456789abcdef";
  const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  std::string out = c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
  for (int i = digits - 1; i >= 0; --i) out += kDigits[(c >> (4 * i)) & 15];
  return out;
}

void write_text(TextBuilder& out, const Text& text) {
  const bool apostrophe = text.chars().find(U'\'') != kNotFound;
  const char32_t quote = apostrophe && text.chars().find(U'"') == kNotFound ? U'"' : U'\'';
  if (text.markup) out.add("Markup(");
  out.add(quote, kTemplate);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == quote || c == U'\\') out.add(U'\\', text.source_at(i));
    if (printable(c))
      out.add(text, i, i + 1);
    else
      out.add(escape_of(c), text.source_at(i));
  }
  out.add(quote, kTemplate);
  if (text.markup) out.add(")");
}

void write_items(Rendering& r, TextBuilder& out, const Value& value, int depth) {
  out.add(value.is_list() ? "[" : "(");
  bool first = true;
  for (const Value& item : value.items()) {
    if (!first) out.add(", ");
    first = false;
    write(r, out, item, depth);
  }
  if (value.is_tuple() && value.items().size() == 1) out.add(",");
  out.add(value.is_list() ? "]" : ")");
}

void write_dict(Rendering& r, TextBuilder& out, const Dict& dict, int depth) {
  out.add("{");
  bool first = true;
  for (const auto& [key, value] : dict.items) {
    if (!first) out.add(", ");
    first = false;
    write(r, out, key, depth);
    out.add(": ");
    write(r, out, value, depth);
  }
  out.add("}");
}

void write(Rendering& r, TextBuilder& out, const Value& value, int depth) {
  r.spend(1);
  r.check_depth(depth);
  if (value.is_text()) return write_text(out, value.text());
  if (value.is_sequence()) return write_items(r, out, value, depth + 1);
  if (value.is_dict()) return write_dict(r, out, *value.dict(), depth + 1);
  if (value.is_none()) return out.add("None");
  if (value.is_undefined()) return out.add("Undefined");
  if (value.is_bool()) return out.add(value.boolean() ? "True" : "False");
  if (value.is_int()) return out.add(std::to_string(value.integer()));
  if (value.is_float()) return out.add(float_repr(value.number()));
  r.nesting += 20;
  if (r.nesting > r.limits().nesting) refuse("a value that holds itself has no text");
  const Text text = value.object()->repr(r);
  r.nesting -= 20;
  out.add(text);
}

}  // namespace

bool printable(char32_t c) {
  if (c == U' ') return true;
  constexpr std::uint32_t kHidden =
      U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CS_MASK | U_GC_CO_MASK | U_GC_CN_MASK | U_GC_Z_MASK;
  return (U_MASK(u_charType(static_cast<UChar32>(c))) & kHidden) == 0;
}

std::string float_repr(double number) {
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char buffer[32];
  char* const end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const bool negative = text[0] == '-';
  std::string digits = text.substr(negative, e - negative);
  if (digits.size() > 1) digits.erase(1, 1);
  if (exponent < 0) {
    digits = "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  } else {
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) digits += std::string(whole - digits.size(), '0') + "0";
    digits.insert(whole, ".");
  }
  return (negative ? "-" : "") + digits;
}

Text repr(Rendering& r, const Value& value) {
  TextBuilder out(r);
  write(r, out, value, 0);
  return out.take();
}

Text str(Rendering& r, const Value& value) {
  if (value.is_undefined()) return {};
  if (!value.is_text()) return repr(r, value);
  Text text = value.text();
  text.markup = false;
  return text;
}

}  // namespace preferd::text::jinja
