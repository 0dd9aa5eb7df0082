#include <charconv>
#include <cmath>

#include "model/text/template/filters.h"
#include "model/text/template/number_text.h"
#include "model/text/template/objects.h"
#include "model/text/template/operators.h"

namespace preferd::text::jinja {
namespace {

Value truncated(double number) {
  if (!(std::fabs(number) < 0x1p63)) refuse("an integer does not fit in 64 bits");
  return Value::integer(static_cast<std::int64_t>(number));
}

Value to_int(Rendering&, const Bound& b) {
  const Value otherwise = b.value_or(1, Value::integer(0));
  const Value& value = b[0];
  if (value.is_undefined()) refuse(value.why_undefined());
  if (value.is_text()) {
    const std::int64_t base = b.integer_or(2, 10);
    if (base >= 0 && base <= 36)
      if (const auto whole = parse_int(value.text().chars(), static_cast<int>(base)))
        return Value::integer(*whole);
    const auto number = parse_float(value.text().chars());
    return number && std::isfinite(*number) ? truncated(*number) : otherwise;
  }
  if (value.is_integral()) return Value::integer(value.integer());
  if (!value.is_float()) return otherwise;
  if (std::isinf(value.number())) refuse("an infinite float has no integer");
  return truncated(value.number());
}

Value to_float(Rendering&, const Bound& b) {
  const Value& value = b[0];
  if (value.is_undefined()) refuse(value.why_undefined());
  if (value.is_number()) return Value::number(value.number());
  const auto number = value.is_text() ? parse_float(value.text().chars()) : std::nullopt;
  return number ? Value::number(*number) : b.value_or(1, Value::number(0));
}

Value absolute(Rendering&, const Bound& b) {
  const Value& value = b[0];
  if (value.is_float()) return Value::number(std::fabs(value.number()));
  const Value same = positive(value);
  return same.integer() < 0 ? negative(same) : same;
}

// Half to even, to a multiple of 10^digits.
Value round_integer(std::int64_t value, std::int64_t digits) {
  if (digits > 18) return Value::integer(0);
  std::int64_t unit = 1;
  for (std::int64_t i = 0; i < digits; ++i) unit *= 10;
  std::int64_t rest = value % unit;
  if (rest < 0) rest += unit;
  std::int64_t down = 0, out = 0;
  bool wraps = __builtin_sub_overflow(value, rest, &down);
  const bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
  wraps = __builtin_add_overflow(down, up ? unit : 0, &out) || wraps;
  if (wraps) refuse("an integer does not fit in 64 bits");
  return Value::integer(out);
}

// The nearest decimal of so many digits, which printing finds exactly, read back.
Value round_float(double value, std::int64_t digits) {
  if (digits > 323 || std::isinf(value)) return Value::number(value);
  if (digits < 0) refuse("rounding floats to tens is not supported");
  char buffer[800];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, static_cast<int>(digits))
          .ptr;
  return Value::number(read_float(std::string(buffer, end)));
}

Value round(Rendering& r, const Bound& b) {
  const std::int64_t digits = b.integer_or(1, 0);
  const Value method = b.value_or(2, Text(U"common"));
  const std::u32string_view how = method.is_text() ? method.text().chars() : U"";
  if (how != U"common" && how != U"ceil" && how != U"floor")
    refuse("round() expects one of the methods common, ceil and floor");
  const Value& value = b[0];
  if (!value.is_number()) return positive(value);
  if (how == U"common") {
    if (value.is_float()) return round_float(value.number(), digits);
    return digits >= 0 ? Value::integer(value.integer()) : round_integer(value.integer(), -digits);
  }
  const Value unit = binary(r, "**", Value::integer(10), Value::integer(digits));
  const Value scaled = binary(r, "*", value, unit);
  if (scaled.is_float() && std::isinf(scaled.number())) refuse("an infinite float has no integer");
  const Value whole = !scaled.is_float() ? scaled
                                         : truncated(how == U"ceil" ? std::ceil(scaled.number())
                                                                    : std::floor(scaled.number()));
  return binary(r, "/", whole, unit);
}

Value sum(Rendering& r, const Bound& b) {
  const Path path(b.given(1) ? b[1] : Value::none());
  Value total = b.value_or(2, Value::integer(0));
  const auto items = require_iterator(r, b[0]);
  if (total.is_text()) refuse("sum() does not add strings");
  for (Value item = items->next(r); !item.is_missing(); item = items->next(r))
    total = add(r, total, path(r, std::move(item)));
  return total;
}

}  // namespace

const std::vector<Filter>& number_filters() {
  static const std::vector<Filter> kFilters = {
      {{"abs", {"x"}, 1, 1}, absolute},
      {{"float", {"value", "default"}, 1}, to_float},
      {{"int", {"value", "default", "base"}, 1}, to_int},
      {{"round", {"value", "precision", "method"}, 1}, round},
      {{"sum", {"iterable", "attribute", "start"}, 1}, sum},
  };
  return kFilters;
}

}  // namespace preferd::text::jinja
