#include <unicode/uchar.h>

#include <algorithm>
#include <array>

#include "base/unicode.h"
#include "model/text/template/case.h"
#include "model/text/template/format.h"
#include "model/text/template/methods.h"
#include "model/text/template/objects.h"
#include "model/text/template/repr.h"
#include "model/text/template/strings.h"

namespace preferd::text::jinja {
namespace {

using Body = Value (*)(Rendering&, const Text&, const Bound&);

struct Method {
  Signature signature;
  Body body;
};

const Text* text_or_null(const Bound& bound, std::size_t i) {
  return bound.given_not_none(i) ? &bound.text(i) : nullptr;
}

const Text& fill_or_space(const Bound& bound) {
  static const Text kSpace(U" ");
  return bound.given(1) ? bound.text(1) : kSpace;
}

template <Sides sides>
Value strip_method(Rendering& r, const Text& self, const Bound& bound) {
  return strip(r, self, text_or_null(bound, 0), sides);
}

std::optional<Window> window_of(const Text& self, const Bound& bound) {
  return window(self, bound[1], bound[2]);
}

std::int64_t position(const std::optional<std::size_t>& at) {
  return at ? static_cast<std::int64_t>(*at) : -1;
}

std::int64_t first(Rendering& r, const Text& self, const Bound& bound) {
  const Text& what = bound.text(0);
  const auto in = window_of(self, bound);
  return in ? position(find_first(r, self, what, *in)) : -1;
}

std::int64_t last(Rendering& r, const Text& self, const Bound& bound) {
  const Text& what = bound.text(0);
  const auto in = window_of(self, bound);
  return in ? position(find_last(r, self, what, *in)) : -1;
}

Value found_or_refused(std::int64_t at) {
  if (at < 0) refuse("index() does not find its string");
  return Value::integer(at);
}

// startswith() and endswith(): a string, or a tuple of strings of which one fits.
Value fits(const Text& self, const Bound& bound, bool (*fit)(std::u32string_view, std::u32string_view)) {
  const auto in = window_of(self, bound);
  const auto one = [&](const Value& value) {
    if (!value.is_text()) refuse("startswith() and endswith() expect a string or a tuple of strings");
    return in && fit(self.chars().substr(in->begin, in->end - in->begin), value.text().chars());
  };
  if (!bound[0].is_tuple()) return Value::boolean(one(bound[0]));
  const std::vector<Value>& options = bound[0].items();
  return Value::boolean(std::any_of(options.begin(), options.end(), one));
}

Value join(Rendering& r, const Text& self, const Bound& bound) {
  TextBuilder out(r);
  bool between = false;
  for (const Value& item : all_items(r, bound[0])) {
    if (!item.is_text()) refuse(std::string("join() expects strings, but finds ") + item.type_name());
    if (between) out.add(self);
    between = true;
    out.add(item.text());
  }
  return out.done_as(self);
}

Value without(Rendering& r, const Text& self, std::size_t begin, std::size_t end) {
  TextBuilder out(r);
  out.add(self, begin, end);
  return out.done_as(self);
}

template <class Holds>
Value all_chars(const Text& self, const Holds& holds) {
  return Value::boolean(!self.empty() && std::all_of(self.chars().begin(), self.chars().end(), holds));
}

bool is_numeric_type(char32_t c, std::initializer_list<UNumericType> types) {
  const auto type =
      static_cast<UNumericType>(u_getIntPropertyValue(static_cast<UChar32>(c), UCHAR_NUMERIC_TYPE));
  return std::find(types.begin(), types.end(), type) != types.end();
}

bool is_digit_char(char32_t c) { return is_numeric_type(c, {U_NT_DECIMAL, U_NT_DIGIT}); }
bool is_numeric_char(char32_t c) { return is_numeric_type(c, {U_NT_DECIMAL, U_NT_DIGIT, U_NT_NUMERIC}); }
bool is_decimal_char(char32_t c) { return is_numeric_type(c, {U_NT_DECIMAL}); }

using R = Rendering;
using T = Text;
using B = Bound;

const std::vector<Method>& case_methods() {
  static const std::vector<Method> kMethods = {
      {{"capitalize", {}}, [](R& r, const T& s, const B&) { return capitalize(r, s); }},
      {{"lower", {}}, [](R& r, const T& s, const B&) { return lower(r, s); }},
      {{"swapcase", {}}, [](R& r, const T& s, const B&) { return swapcase(r, s); }},
      {{"title", {}}, [](R& r, const T& s, const B&) { return title(r, s); }},
      {{"upper", {}}, [](R& r, const T& s, const B&) { return upper(r, s); }},
      {{"islower", {}}, [](R&, const T& s, const B&) { return Value::boolean(is_lower(s)); }},
      {{"isupper", {}}, [](R&, const T& s, const B&) { return Value::boolean(is_upper(s)); }},
      {{"istitle", {}}, [](R&, const T& s, const B&) { return Value::boolean(is_title(s)); }},
      {{"isspace", {}}, [](R&, const T& s, const B&) { return all_chars(s, unicode::is_space); }},
      {{"isalpha", {}}, [](R&, const T& s, const B&) { return all_chars(s, unicode::is_letter); }},
      {{"isdecimal", {}}, [](R&, const T& s, const B&) { return all_chars(s, is_decimal_char); }},
      {{"isdigit", {}}, [](R&, const T& s, const B&) { return all_chars(s, is_digit_char); }},
      {{"isnumeric", {}}, [](R&, const T& s, const B&) { return all_chars(s, is_numeric_char); }},
      {{"isalnum", {}},
       [](R&, const T& s, const B&) {
         return all_chars(s, [](char32_t c) { return unicode::is_letter(c) || is_numeric_char(c); });
       }},
      {{"isascii", {}},
       [](R&, const T& s, const B&) {
         return Value::boolean(s.empty() || all_chars(s, [](char32_t c) { return c < 0x80; }).boolean());
       }},
      {{"isprintable", {}},
       [](R&, const T& s, const B&) {
         return Value::boolean(s.empty() || all_chars(s, printable).boolean());
       }},
  };
  return kMethods;
}

const std::vector<Method>& search_methods() {
  static const std::vector<Method> kMethods = {
      {{"find", {"sub", "start", "end"}, 1, 3},
       [](R& r, const T& s, const B& b) { return Value::integer(first(r, s, b)); }},
      {{"rfind", {"sub", "start", "end"}, 1, 3},
       [](R& r, const T& s, const B& b) { return Value::integer(last(r, s, b)); }},
      {{"index", {"sub", "start", "end"}, 1, 3},
       [](R& r, const T& s, const B& b) { return found_or_refused(first(r, s, b)); }},
      {{"rindex", {"sub", "start", "end"}, 1, 3},
       [](R& r, const T& s, const B& b) { return found_or_refused(last(r, s, b)); }},
      {{"count", {"sub", "start", "end"}, 1, 3},
       [](R& r, const T& s, const B& b) {
         const Text& what = b.text(0);
         const auto in = window_of(s, b);
         return Value::integer(in ? count(r, s, what, *in) : 0);
       }},
      {{"startswith", {"prefix", "start", "end"}, 1, 3},
       [](R&, const T& s, const B& b) {
         return fits(s, b,
                     [](std::u32string_view text, std::u32string_view end) { return text.starts_with(end); });
       }},
      {{"endswith", {"suffix", "start", "end"}, 1, 3},
       [](R&, const T& s, const B& b) {
         return fits(s, b,
                     [](std::u32string_view text, std::u32string_view end) { return text.ends_with(end); });
       }},
  };
  return kMethods;
}

const std::vector<Method>& cutting_methods() {
  static const std::vector<Method> kMethods = {
      {{"strip", {"chars"}, 0, 1}, strip_method<Sides::kBoth>},
      {{"lstrip", {"chars"}, 0, 1}, strip_method<Sides::kLeft>},
      {{"rstrip", {"chars"}, 0, 1}, strip_method<Sides::kRight>},
      {{"split", {"sep", "maxsplit"}},
       [](R& r, const T& s, const B& b) { return split(r, s, text_or_null(b, 0), b.integer_or(1, -1)); }},
      {{"rsplit", {"sep", "maxsplit"}},
       [](R& r, const T& s, const B& b) {
         return split_right(r, s, text_or_null(b, 0), b.integer_or(1, -1));
       }},
      {{"splitlines", {"keepends"}},
       [](R& r, const T& s, const B& b) { return split_lines(r, s, b.given(0) && truth(r, b[0]) ? 1 : 0); }},
      {{"partition", {"sep"}, 1, 1}, [](R& r, const T& s, const B& b) { return partition(r, s, b.text(0)); }},
      {{"rpartition", {"sep"}, 1, 1},
       [](R& r, const T& s, const B& b) { return partition_right(r, s, b.text(0)); }},
      {{"removeprefix", {"prefix"}, 1, 1},
       [](R& r, const T& s, const B& b) {
         const Text& prefix = b.text(0);
         return without(r, s, s.chars().starts_with(prefix.chars()) ? prefix.size() : 0, s.size());
       }},
      {{"removesuffix", {"suffix"}, 1, 1},
       [](R& r, const T& s, const B& b) {
         const Text& suffix = b.text(0);
         return without(r, s, 0, s.size() - (s.chars().ends_with(suffix.chars()) ? suffix.size() : 0));
       }},
  };
  return kMethods;
}

const std::vector<Method>& making_methods() {
  static const std::vector<Method> kMethods = {
      {{"join", {"iterable"}, 1, 1}, join},
      {{"replace", {"old", "new", "count"}, 2, 3},
       [](R& r, const T& s, const B& b) { return replace(r, s, b.text(0), b.text(1), b.integer_or(2, -1)); }},
      {{"center", {"width", "fillchar"}, 1, 2},
       [](R& r, const T& s, const B& b) { return center(r, s, b.integer(0), fill_or_space(b)); }},
      {{"ljust", {"width", "fillchar"}, 1, 2},
       [](R& r, const T& s, const B& b) { return pad_right(r, s, b.integer(0), fill_or_space(b)); }},
      {{"rjust", {"width", "fillchar"}, 1, 2},
       [](R& r, const T& s, const B& b) { return pad_left(r, s, b.integer(0), fill_or_space(b)); }},
      {{"zfill", {"width"}, 1, 1},
       [](R& r, const T& s, const B& b) { return zero_fill(r, s, b.integer(0)); }},
  };
  return kMethods;
}

// Methods that Python has and that are refused when they are called.
constexpr std::array<std::string_view, 7> kUnsupported = {
    "casefold", "encode", "expandtabs", "format_map", "isidentifier", "maketrans", "translate"};

// Markup escapes what is passed to these; without arguments nothing is escaped.
void refuse_for_markup(const Text& self, const std::string& name, const Arguments& arguments) {
  constexpr std::array<std::string_view, 12> kPlain = {"find",       "rfind",    "index",      "rindex",
                                                       "startswith", "endswith", "split",      "rsplit",
                                                       "count",      "strip",    "splitlines", "zfill"};
  const bool plain = std::find(kPlain.begin(), kPlain.end(), name) != kPlain.end();
  if (self.markup && !plain && (!arguments.positional.empty() || !arguments.keywords.empty()))
    refuse("the method '" + name + "' of text that is safe or escaped is not supported");
}

}  // namespace

Value text_method(const Value& text, const std::string& name) {
  if (name == "format")
    return function([text](Rendering& r, Arguments arguments) {
      refuse_for_markup(text.text(), "format", arguments);
      return format(r, text.text(), arguments);
    });
  for (const auto* methods : {&case_methods(), &search_methods(), &cutting_methods(), &making_methods()})
    for (const Method& method : *methods)
      if (name == method.signature.name)
        return function([text, &method](Rendering& r, Arguments arguments) {
          refuse_for_markup(text.text(), method.signature.name, arguments);
          return method.body(r, text.text(), Bound(method.signature, std::move(arguments)));
        });
  const bool known = std::find(kUnsupported.begin(), kUnsupported.end(), name) != kUnsupported.end();
  return known ? unsupported_method(name) : Value();
}

}  // namespace preferd::text::jinja
