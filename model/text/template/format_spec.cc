// The part of a field behind its colon: [[fill]align][sign][#][0][width][, or _][.precision][type].
#include <cmath>

#include "model/text/template/format.h"
#include "model/text/template/number_format.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

struct Spec {
  char32_t fill = U' ', align = 0, sign = 0, grouping = 0, type = 0;
  Source fill_source = kTemplate;
  bool alternate = false, zero = false;
  std::int64_t width = 0, precision = -1;
};

bool is_align(char32_t c) { return c == U'<' || c == U'>' || c == U'=' || c == U'^'; }

class SpecReader {
 public:
  explicit SpecReader(const Text& spec) : spec_(spec) {}

  Spec run() {
    Spec out;
    bool filled = false;
    if (spec_.size() > 1 && is_align(spec_[1])) {
      out.fill = spec_[0];
      out.fill_source = spec_.source_at(0);
      out.align = spec_[1];
      at_ = 2;
      filled = true;
    } else if (is_align(peek())) {
      out.align = spec_[at_++];
    }
    if (peek() == U'+' || peek() == U'-' || peek() == U' ') out.sign = spec_[at_++];
    if (peek() == U'#') out.alternate = ++at_ > 0;
    if (!filled && peek() == U'0') out.zero = ++at_ > 0;
    out.width = number(0);
    if (peek() == U',' || peek() == U'_') out.grouping = spec_[at_++];
    if (peek() == U'.') {
      ++at_;
      out.precision = number(-1);
      if (out.precision < 0) refuse("the precision of a format is missing");
    }
    if (at_ < spec_.size()) out.type = spec_[at_++];
    if (at_ < spec_.size()) refuse("a field of a format cannot be read");
    return out;
  }

 private:
  char32_t peek() const { return at_ < spec_.size() ? spec_[at_] : 0; }

  std::int64_t number(std::int64_t otherwise) {
    std::int64_t out = 0;
    const std::size_t begin = at_;
    for (; peek() >= U'0' && peek() <= U'9'; ++at_) {
      out = out * 10 + static_cast<std::int64_t>(peek() - U'0');
      if (out > (std::int64_t{1} << 31)) refuse("a width of a format is too large");
    }
    return at_ == begin ? otherwise : out;
  }

  const Text& spec_;
  std::size_t at_ = 0;
};

// `head` is a sign and a prefix, which '=' keeps in front of the padding.
void pad(Rendering& r, TextBuilder& out, const Spec& spec, char32_t align, const std::string& head,
         const Text& body) {
  r.check_text(static_cast<std::size_t>(spec.width));
  const std::size_t size = head.size() + body.size();
  const std::size_t gap = std::max(static_cast<std::size_t>(spec.width), size) - size;
  const std::size_t left = align == U'<' ? 0 : align == U'^' ? gap / 2 : gap;
  if (align == U'=') out.add(head);
  out.add(spec.fill, spec.fill_source, left);
  if (align != U'=') out.add(head);
  out.add(body);
  out.add(spec.fill, spec.fill_source, gap - left);
}

void format_text(Rendering& r, TextBuilder& out, const Text& text, Spec spec) {
  if ((spec.type != 0 && spec.type != U's') || spec.sign != 0 || spec.alternate || spec.grouping != 0 ||
      spec.align == U'=')
    refuse("a field of a format does not fit a string");
  if (spec.zero) spec.fill = U'0';
  const std::size_t shown =
      spec.precision < 0 ? text.size() : std::min(text.size(), static_cast<std::size_t>(spec.precision));
  pad(r, out, spec, spec.align == 0 ? U'<' : spec.align, "", text.sub(0, shown));
}

void format_number(Rendering& r, TextBuilder& out, Spec spec, bool negative, const std::string& prefix,
                   std::string digits) {
  if (spec.grouping != 0) {
    if (spec.zero) refuse("a format with zeros and groups of digits is not supported");
    const bool decimal = spec.type != U'x' && spec.type != U'X' && spec.type != U'b' && spec.type != U'o';
    if (!decimal && spec.grouping == U',') refuse("a field of a format groups digits of its base with ','");
    digits = grouped(digits, static_cast<char>(spec.grouping), decimal ? 3 : 4);
  }
  char32_t align = spec.align == 0 ? U'>' : spec.align;
  if (spec.zero && spec.align == 0) align = U'=';
  if (spec.zero) spec.fill = U'0';
  const std::string sign = negative ? "-" : spec.sign == U'+' ? "+" : spec.sign == U' ' ? " " : "";
  pad(r, out, spec, align, sign + prefix, Text::from_utf8(digits));
}

void refuse_type(char32_t type) {
  if (type == U'n' || type == U'c') refuse("the types c and n of a format are not supported");
  refuse("a type of a format does not fit a number");
}

void format_float(Rendering& r, TextBuilder& out, double number, const Spec& spec) {
  constexpr std::u32string_view kTypes = U"eEfFgG%";
  if (spec.alternate) refuse("the flag '#' of a format is not supported for floats");
  if (spec.type != 0 && kTypes.find(spec.type) == kNotFound) refuse_type(spec.type);
  if (spec.type == 0 && spec.precision >= 0) refuse("a precision without a type is not supported");
  const std::string digits = spec.type == 0 ? float_repr(std::fabs(number))
                                            : float_digits(number, static_cast<char>(spec.type),
                                                           spec.precision < 0 ? 6 : spec.precision);
  format_number(r, out, spec, std::signbit(number), "", digits);
}

void format_integer(Rendering& r, TextBuilder& out, std::int64_t number, const Spec& spec) {
  constexpr std::u32string_view kTypes = U"dbox", kFloats = U"eEfFgG%";
  if (spec.type != 0 && kFloats.find(spec.type) != kNotFound)
    return format_float(r, out, static_cast<double>(number), spec);
  if (spec.precision >= 0) refuse("a field of a format gives an integer a precision");
  if (spec.type != 0 && spec.type != U'X' && kTypes.find(spec.type) == kNotFound) refuse_type(spec.type);
  const char type = spec.type == 0 ? 'd' : static_cast<char>(spec.type);
  const std::string prefix = spec.alternate && type != 'd' ? std::string("0") + type : "";
  format_number(r, out, spec, number < 0, prefix, integer_digits(number, type));
}

}  // namespace

void format_value(Rendering& r, TextBuilder& out, const Value& value, const Text& spec) {
  if (spec.empty()) return out.add(str(r, value));
  const Spec read = SpecReader(spec).run();
  if (value.is_text()) return format_text(r, out, value.text(), read);
  if (value.is_float()) return format_float(r, out, value.number(), read);
  if (value.is_integral()) return format_integer(r, out, value.integer(), read);
  refuse(std::string("a value of type ") + value.type_name() + " takes no format");
}

}  // namespace preferd::text::jinja
