#include "model/text/template/printf.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "model/text/template/compare.h"
#include "model/text/template/number_format.h"
#include "model/text/template/objects.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

// %[(key)][flags][width][.precision]type
struct Conversion {
  bool left = false, plus = false, space = false, alternate = false, zero = false;
  std::int64_t width = 0, precision = -1;
  char32_t type = 0;
};

class Formatter {
 public:
  Formatter(Rendering& r, const Text& format, const Value& values)
      : r_(r), format_(format), values_(values), out_(r) {}

  Value run() {
    std::size_t copied = 0;
    while ((at_ = format_.chars().find(U'%', copied)) != kNotFound) {
      out_.add(format_, copied, at_);
      ++at_;
      convert();
      copied = at_;
    }
    out_.add(format_, copied, format_.size());
    const bool mapping =
        values_.is_dict() || values_.is_list() || values_.is_undefined() || values_.as<Range>();
    const std::size_t count = values_.is_tuple() ? values_.items().size() : 1;
    if (taken_ < count && !mapping) refuse("% has more values than its format uses");
    return out_.done();
  }

 private:
  char32_t peek() const {
    if (at_ >= format_.size()) refuse("the format of % ends within a conversion");
    return format_[at_];
  }

  // As in CPython, the value of a key is all that there is from then on, and it is taken once.
  Value next() {
    if (keyed_) {
      if (!current_) refuse("% has fewer values than its format uses");
      return *std::exchange(current_, std::nullopt);
    }
    const bool tuple = values_.is_tuple();
    if (taken_ >= (tuple ? values_.items().size() : 1)) refuse("% has fewer values than its format uses");
    ++taken_;
    return tuple ? values_.items()[taken_ - 1] : values_;
  }

  void read_key() {
    if (peek() != U'(') return;
    if (!values_.is_dict()) refuse("the format of % names a key, but its values are no dict");
    const std::size_t begin = ++at_;
    for (int depth = 1; depth > 0; ++at_) depth += peek() == U'(' ? 1 : peek() == U')' ? -1 : 0;
    const Value* found = find(r_, *values_.dict(), format_.sub(begin, at_ - 1));
    if (found == nullptr) refuse("the format of % names a key that its dict does not have");
    current_ = *found;
    keyed_ = true;
  }

  std::int64_t read_number() {
    if (peek() == U'*') {
      ++at_;
      const Value value = next();
      if (!value.is_integral()) refuse("a '*' in the format of % takes an integer");
      return value.integer();
    }
    std::int64_t out = 0;
    for (; peek() >= U'0' && peek() <= U'9'; ++at_) {
      out = out * 10 + static_cast<std::int64_t>(peek() - U'0');
      if (out > (std::int64_t{1} << 31)) refuse("a width in the format of % is too large");
    }
    return out;
  }

  Conversion read() {
    Conversion c;
    read_key();
    for (;; ++at_) {
      const char32_t flag = peek();
      if (flag == U'-')
        c.left = true;
      else if (flag == U'+')
        c.plus = true;
      else if (flag == U' ')
        c.space = true;
      else if (flag == U'#')
        c.alternate = true;
      else if (flag == U'0')
        c.zero = true;
      else
        break;
    }
    c.width = read_number();
    if (c.width < 0) {
      c.left = true;
      c.width = -c.width;
    }
    if (peek() == U'.') {
      ++at_;
      c.precision = std::max<std::int64_t>(read_number(), 0);
    }
    if (peek() == U'h' || peek() == U'l' || peek() == U'L') ++at_;
    c.type = peek();
    ++at_;
    return c;
  }

  void convert() {
    if (peek() == U'%') {
      out_.add(format_, at_, at_ + 1);
      ++at_;
      return;
    }
    const Conversion c = read();
    constexpr std::u32string_view kTypes = U"srdiuoxXeEfFgGc";
    if (kTypes.find(c.type) == kNotFound) refuse("a conversion of % is not supported");
    const Value value = next();
    if (c.type == U's') return text(c, str(r_, value));
    if (c.type == U'r') return text(c, repr(r_, value));
    if (c.type == U'c') return character(c, value);
    if (!value.is_number())
      refuse(std::string("% formats a value of type ") + value.type_name() + " as a number");
    if (kTypes.find(c.type) >= 8) return floating(c, value.number());
    integer(c, value);
  }

  void character(const Conversion& c, const Value& value) {
    if (value.is_text() && value.text().size() == 1) return text(c, value.text());
    if (!value.is_integral() || value.integer() < 0 || value.integer() > 0x10FFFF ||
        (value.integer() >= 0xD800 && value.integer() < 0xE000))
      refuse("%c takes a character or its number");
    const auto one = static_cast<char32_t>(value.integer());
    text(c, Text(std::u32string_view(&one, 1)));
  }

  void text(const Conversion& c, const Text& full) {
    const std::size_t shown = c.precision < 0 || c.type == U'c'
                                  ? full.size()
                                  : std::min(full.size(), static_cast<std::size_t>(c.precision));
    const std::size_t gap = room(c, shown);
    if (!c.left) out_.add(U' ', kTemplate, gap);
    out_.add(full, 0, shown);
    if (c.left) out_.add(U' ', kTemplate, gap);
  }

  void integer(const Conversion& c, const Value& value) {
    const bool decimal = c.type == U'd' || c.type == U'i' || c.type == U'u';
    if (value.is_float() && !decimal) refuse("%x and %o take integers");
    if (value.is_float() && !(std::fabs(value.number()) < 0x1p63))
      refuse("an integer does not fit in 64 bits");
    const std::int64_t number =
        value.is_float() ? static_cast<std::int64_t>(value.number()) : value.integer();
    const char type = decimal ? 'd' : static_cast<char>(c.type);
    std::string digits = integer_digits(number, type);
    if (c.precision > 1000) refuse("a precision above 1000 is not supported");
    const auto least = static_cast<std::size_t>(std::max<std::int64_t>(c.precision, 0));
    if (digits.size() < least) digits.insert(0, least - digits.size(), '0');
    const bool prefixed = c.alternate && !decimal;
    numeric(c, number < 0, prefixed ? std::string("0") + type : "", digits);
  }

  void floating(const Conversion& c, double number) {
    if (c.alternate) refuse("the flag '#' of % is not supported for floats");
    numeric(c, std::signbit(number), "",
            float_digits(number, static_cast<char>(c.type), c.precision < 0 ? 6 : c.precision));
  }

  void numeric(const Conversion& c, bool negative, const std::string& prefix, const std::string& digits) {
    const std::string sign = (negative ? "-" : c.plus ? "+" : c.space ? " " : "") + prefix;
    const std::size_t gap = room(c, sign.size() + digits.size());
    if (!c.left && !c.zero) out_.add(U' ', kTemplate, gap);
    out_.add(sign);
    if (!c.left && c.zero) out_.add(U'0', kTemplate, gap);
    out_.add(digits);
    if (c.left) out_.add(U' ', kTemplate, gap);
  }

  std::size_t room(const Conversion& c, std::size_t used) {
    r_.check_text(static_cast<std::size_t>(c.width));
    return std::max(static_cast<std::size_t>(c.width), used) - used;
  }

  Rendering& r_;
  const Text& format_;
  const Value& values_;
  TextBuilder out_;
  std::size_t at_ = 0, taken_ = 0;
  bool keyed_ = false;  // a key has been read
  std::optional<Value> current_;
};

}  // namespace

Value percent(Rendering& r, const Text& format, const Value& values) {
  if (format.markup) refuse("the operator '%' of text that is safe or escaped is not supported");
  return Formatter(r, format, values).run();
}

}  // namespace preferd::text::jinja
