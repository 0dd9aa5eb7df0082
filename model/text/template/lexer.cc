#include "model/text/template/lexer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "base/unicode.h"
#include "model/text/template/number_text.h"
#include "model/text/template/refusal.h"
#include "model/text/template/text.h"

namespace preferd::text::jinja {
namespace {

constexpr std::size_t kNone = std::u32string_view::npos;

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }

// "\r\n" and "\r" as "\n", and without the last one.
std::u32string normalized(std::u32string_view source) {
  std::u32string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == U'\r' && i + 1 < source.size() && source[i + 1] == U'\n') continue;
    out += source[i] == U'\r' ? U'\n' : source[i];
  }
  if (!out.empty() && out.back() == U'\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::u32string source) : source_(std::move(source)), rest_(source_) {}

  std::vector<Token> run() {
    while (at_ < rest_.size()) outside();
    push(Token::Kind::kEnd);
    return std::move(tokens_);
  }

 private:
  // Data up to the next tag, and the tag.
  void outside() {
    std::size_t open = at_;
    while ((open = rest_.find(U'{', open)) != kNone) {
      const char32_t next = open + 1 < rest_.size() ? rest_[open + 1] : 0;
      if (next == U'%' || next == U'{' || next == U'#') break;
      ++open;
    }
    if (open == kNone) {
      data(rest_.size());
      at_ = rest_.size();
      return;
    }
    const char32_t kind = rest_[open + 1];
    const std::size_t inside = open + 2;
    const char32_t sign = sign_at(inside);
    data(stripped(open, sign, kind != U'{'));
    count_lines(open);
    at_ = inside + (sign != 0);
    if (kind == U'#') return comment();
    if (kind == U'%' && raw_begins()) return raw();
    push(kind == U'%' ? Token::Kind::kBlockBegin : Token::Kind::kVariableBegin);
    tag(kind == U'%');
  }

  char32_t sign_at(std::size_t at) const {
    const char32_t c = at < rest_.size() ? rest_[at] : 0;
    return c == U'-' || c == U'+' ? c : 0;
  }

  // Where the data that a tag at `open` ends keeps going to.
  std::size_t stripped(std::size_t open, char32_t sign, bool strips_line) const {
    std::size_t end = open;
    if (sign == U'-') {
      while (end > at_ && unicode::is_space(rest_[end - 1])) --end;
    } else if (sign == 0 && strips_line) {
      std::size_t start = open;
      while (start > at_ && rest_[start - 1] != U'\n') --start;
      const bool whole_line = start > at_ || line_starts_;
      const auto spaces = rest_.substr(start, open - start);
      if (whole_line && std::all_of(spaces.begin(), spaces.end(), unicode::is_space)) end = start;
    }
    return end;
  }

  void data(std::size_t end) {
    if (end > at_) push(Token::Kind::kData).text = rest_.substr(at_, end - at_);
  }

  // Moves to `end`, counting the newlines on the way.
  void count_lines(std::size_t end) {
    line_ += static_cast<int>(std::count(rest_.begin() + at_, rest_.begin() + end, U'\n'));
    if (end > at_) line_starts_ = rest_[end - 1] == U'\n';
    at_ = end;
  }

  std::size_t skip_space(std::size_t at) const {
    while (at < rest_.size() && unicode::is_space(rest_[at])) ++at;
    return at;
  }

  bool is_at(std::size_t at, std::u32string_view what) const { return rest_.substr(at).starts_with(what); }

  // Where a closing delimiter at `at` ends, with the white space that it takes; kNone if there is none.
  std::size_t closing(std::size_t at, std::u32string_view delimiter, bool trims) const {
    if (trims && is_at(at, U"+") && is_at(at + 1, delimiter)) return at + 1 + delimiter.size();
    if (is_at(at, U"-") && is_at(at + 1, delimiter)) return skip_space(at + 1 + delimiter.size());
    if (!is_at(at, delimiter)) return kNone;
    const std::size_t end = at + delimiter.size();
    return trims && is_at(end, U"\n") ? end + 1 : end;
  }

  void comment() {
    for (std::size_t at = at_; (at = rest_.find(U"#}", at)) != kNone; ++at) {
      const bool signed_end = at > at_ && (rest_[at - 1] == U'-' || rest_[at - 1] == U'+');
      return count_lines(closing(at - signed_end, U"#}", true));
    }
    refuse("a comment has no end", line_);
  }

  // {% raw %}: moves behind it if it stands here.
  bool raw_begins() {
    std::size_t at = skip_space(at_);
    if (!is_at(at, U"raw")) return false;
    at = skip_space(at + 3);
    const bool strips = is_at(at, U"-%}");
    if (!strips && !is_at(at, U"%}")) return false;
    count_lines(strips ? skip_space(at + 3) : at + 2);
    return true;
  }

  void raw() {
    for (std::size_t open = at_; (open = rest_.find(U"{%", open)) != kNone; ++open) {
      const char32_t sign = sign_at(open + 2);
      std::size_t at = skip_space(open + 2 + (sign != 0));
      if (!is_at(at, U"endraw")) continue;
      at = closing(skip_space(at + 6), U"%}", true);
      if (at == kNone) continue;
      data(stripped(open, sign, true));
      return count_lines(at);
    }
    refuse("a raw block has no end", line_);
  }

  // What is between the delimiters of a block or a variable.
  void tag(bool block) {
    for (;;) {
      at_space();
      if (at_ == rest_.size()) return;
      if (open_.empty()) {
        const std::size_t end = closing(at_, block ? U"%}" : U"}}", block);
        if (end != kNone) {
          push(block ? Token::Kind::kBlockEnd : Token::Kind::kVariableEnd);
          return count_lines(end);
        }
      }
      const char32_t c = rest_[at_];
      if (is_digit(c))
        number();
      else if (c == U'_' || (c < 0x80 && std::isalpha(static_cast<int>(c)) != 0))
        name();
      else if (c == U'\'' || c == U'"')
        string(c);
      else
        operation();
    }
  }

  void at_space() { count_lines(skip_space(at_)); }

  void number() {
    const bool after_dot = at_ > 0 && rest_[at_ - 1] == U'.';
    const std::size_t end = after_dot ? at_ : float_end(rest_, at_);
    if (end > at_) {
      Token& token = push(Token::Kind::kFloat);
      token.number = read_float(without_underscores(rest_.substr(at_, end - at_)));
      if (std::isinf(token.number)) refuse("a number of the template is too large for a float", line_);
      at_ = end;
      return;
    }
    const std::size_t stop = integer_end(rest_, at_);
    Token& token = push(Token::Kind::kInteger);
    const auto value = read_integer(without_underscores(rest_.substr(at_, stop - at_)), 0);
    if (!value) refuse("an integer of the template does not fit in 64 bits", line_);
    token.integer = *value;
    at_ = stop;
  }

  void name() {
    std::size_t end = at_;
    while (end < rest_.size() && unicode::is_word(rest_[end])) {
      if (rest_[end] >= 0x80) refuse("names with characters outside of ASCII are not supported", line_);
      ++end;
    }
    push(Token::Kind::kName).name = to_utf8(rest_.substr(at_, end - at_));
    at_ = end;
  }

  void string(char32_t quote) {
    std::size_t end = at_ + 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == U'\\' ? 2 : 1;
    if (end >= rest_.size()) refuse("a string of the template has no end", line_);
    push(Token::Kind::kString).text = unescaped(rest_.substr(at_ + 1, end - at_ - 1), line_);
    count_lines(end + 1);
  }

  void operation() {
    static constexpr std::array<std::u32string_view, 6> kDouble = {U"//", U"**", U"==", U"!=", U">=", U"<="};
    static constexpr std::u32string_view kSingle = U"+-/*%~[](){}><=.:|,;";
    std::size_t size = 0;
    for (const std::u32string_view two : kDouble)
      if (is_at(at_, two)) size = 2;
    if (size == 0 && kSingle.find(rest_[at_]) != kNone) size = 1;
    if (size == 0) refuse("unexpected character '" + to_utf8(rest_.substr(at_, 1)) + "' in a tag", line_);
    balance(rest_[at_]);
    push(Token::Kind::kOperator).name = to_utf8(rest_.substr(at_, size));
    at_ += size;
  }

  void balance(char32_t c) {
    if (c == U'{' || c == U'(' || c == U'[') {
      open_ += c == U'{' ? U'}' : c == U'(' ? U')' : U']';
    } else if (c == U'}' || c == U')' || c == U']') {
      if (open_.empty() || open_.back() != c)
        refuse("unexpected '" + to_utf8(std::u32string_view(&c, 1)) + "' in a tag", line_);
      open_.pop_back();
    }
  }

  Token& push(Token::Kind kind) {
    tokens_.push_back({});
    tokens_.back().kind = kind;
    tokens_.back().line = line_;
    return tokens_.back();
  }

  const std::u32string source_;
  const std::u32string_view rest_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // whether what was read last ends with a newline
  std::u32string open_;      // the brackets that have to close, innermost last
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokens_of(std::string_view valid_utf8) {
  return Lexer(normalized(to_utf32(valid_utf8))).run();
}

}  // namespace preferd::text::jinja
