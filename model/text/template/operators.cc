#include "model/text/template/operators.h"

#include <cmath>

#include "model/text/template/html.h"
#include "model/text/template/printf.h"

namespace preferd::text::jinja {
namespace {

[[noreturn]] void unsupported(const std::string& name, const Value& a, const Value& b) {
  refuse("the operator '" + name + "' does not take values of type " + a.type_name() + " and " +
         b.type_name());
}

[[noreturn]] void overflow() { refuse("an integer does not fit in 64 bits"); }

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (b == 0) refuse("a division by zero");
  if (b == -1) {
    std::int64_t out;
    if (__builtin_sub_overflow(0, a, &out)) overflow();
    return out;
  }
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
  if (b == 0) refuse("a division by zero");
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// Python's float.__mod__ and __floordiv__: the remainder has the divisor's sign.
double float_modulo(double a, double b) {
  if (b == 0) refuse("a division by zero");
  double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double float_floor_divide(double a, double b) {
  if (b == 0) refuse("a division by zero");
  const double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

Value integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t out = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(out, base, &out)) overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) overflow();
  }
  return Value::integer(out);
}

Value float_power(double a, double b) {
  if (a == 0 && b < 0) refuse("zero to a negative power");
  if (a < 0 && std::isfinite(b) && std::isfinite(a) && b != std::floor(b))
    refuse("complex numbers are not supported");
  const double out = std::pow(a, b);
  if (std::isinf(out) && std::isfinite(a) && std::isfinite(b)) refuse("a power is too large for a float");
  return checked_float(out);
}

Value integers(const std::string& name, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  bool wraps = false;
  if (name == "+") {
    wraps = __builtin_add_overflow(a, b, &out);
  } else if (name == "-") {
    wraps = __builtin_sub_overflow(a, b, &out);
  } else if (name == "*") {
    wraps = __builtin_mul_overflow(a, b, &out);
  } else if (name == "//") {
    out = floor_divide(a, b);
  } else if (name == "%") {
    out = modulo(a, b);
  } else if (name == "**" && b >= 0) {
    return integer_power(a, b);
  } else if (name == "**") {
    return float_power(static_cast<double>(a), static_cast<double>(b));
  } else {
    constexpr std::int64_t kExact = std::int64_t{1} << 53;
    if (b == 0) refuse("a division by zero");
    if (a > kExact || a < -kExact || b > kExact || b < -kExact)
      refuse("dividing integers beyond 53 bits is not supported");
    return Value::number(static_cast<double>(a) / static_cast<double>(b));
  }
  if (wraps) overflow();
  return Value::integer(out);
}

Value floats(const std::string& name, double a, double b) {
  if (name == "+") return checked_float(a + b);
  if (name == "-") return checked_float(a - b);
  if (name == "*") return checked_float(a * b);
  if (name == "//") return checked_float(float_floor_divide(a, b));
  if (name == "%") return checked_float(float_modulo(a, b));
  if (name == "**") return float_power(a, b);
  if (b == 0) refuse("a division by zero");
  return checked_float(a / b);
}

Value repeated(Rendering& r, const Value& value, std::int64_t count) {
  const auto times = static_cast<std::size_t>(std::max<std::int64_t>(count, 0));
  if (value.is_text()) {
    r.check_text(value.text().size(), times);
    TextBuilder out(r);
    for (std::size_t i = 0; i < times && !value.text().empty(); ++i) out.add(value.text());
    return out.done_as(value.text());
  }
  r.check_items(value.items().size(), times);
  std::vector<Value> items;
  for (std::size_t i = 0; i < times && !value.items().empty(); ++i)
    items.insert(items.end(), value.items().begin(), value.items().end());
  return r.list(std::move(items), value.is_list() ? List::Form::kList : List::Form::kTuple);
}

Value joined_texts(Rendering& r, const Text& a, const Text& b) {
  TextBuilder out(r);
  const bool markup = a.markup || b.markup;
  for (const Text* text : {&a, &b}) out.add(markup ? escaped(r, *text) : *text);
  Text text = out.take();
  text.markup = markup;
  return text;
}

}  // namespace

Value checked_float(double number) {
  if (std::isnan(number)) refuse("a float that is not a number is not supported");
  return Value::number(number);
}

Value add(Rendering& r, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b})
    if (value->is_undefined()) refuse(value->why_undefined());
  if (a.is_text() && b.is_text()) return joined_texts(r, a.text(), b.text());
  if (a.is_sequence() && b.is_sequence() && a.is_list() == b.is_list()) {
    std::vector<Value> items = a.items();
    r.check_items(items.size() + b.items().size());
    items.insert(items.end(), b.items().begin(), b.items().end());
    return r.list(std::move(items), a.is_list() ? List::Form::kList : List::Form::kTuple);
  }
  if (a.is_integral() && b.is_integral()) return integers("+", a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return floats("+", a.number(), b.number());
  unsupported("+", a, b);
}

Value binary(Rendering& r, const std::string& name, const Value& a, const Value& b) {
  if (name == "+") return add(r, a, b);
  if (name == "%" && a.is_text()) return percent(r, a.text(), b);
  for (const Value* value : {&a, &b})
    if (value->is_undefined()) refuse(value->why_undefined());
  const auto repeats = [](const Value& value) { return value.is_text() || value.is_sequence(); };
  if (name == "*" && repeats(a) && b.is_integral()) return repeated(r, a, b.integer());
  if (name == "*" && repeats(b) && a.is_integral()) return repeated(r, b, a.integer());
  if (a.is_integral() && b.is_integral()) return integers(name, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return floats(name, a.number(), b.number());
  if ((a.is_object() || b.is_object()) && name == "-")
    refuse("the operator '-' is not supported for objects");
  unsupported(name, a, b);
}

Value negative(const Value& value) {
  if (value.is_float()) return Value::number(-value.number());
  return value.is_integral() ? integers("-", 0, value.integer()) : positive(value);
}

Value positive(const Value& value) {
  if (value.is_undefined()) refuse(value.why_undefined());
  if (value.is_float()) return value;
  if (!value.is_integral()) refuse(std::string("a value of type ") + value.type_name() + " has no sign");
  return Value::integer(value.integer());
}

}  // namespace preferd::text::jinja
