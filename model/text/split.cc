#include "model/text/split.h"

#include "base/utf8.h"
#include "model/text/char_class.h"

namespace preferd::text {
namespace {

constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// A code point: its class and where it ends.
struct Char {
  CharClass kind;
  std::size_t end;
};

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text), classes_(CharClasses::instance()) {}

  bool done(std::size_t at) const { return at >= text_.size(); }

  Char look(std::size_t at) const {
    const CharClass kind = classes_.next(text_, at);
    return {kind, at};
  }

  bool is(std::size_t at, CharClass kind) const { return !done(at) && look(at).kind == kind; }

  std::size_t run(std::size_t at, CharClass kind) const {
    while (!done(at)) {
      const Char c = look(at);
      if (c.kind != kind) break;
      at = c.end;
    }
    return at;
  }

  bool newline(std::size_t at) const { return text_[at] == '\n' || text_[at] == '\r'; }

  std::size_t newlines(std::size_t at) const {
    while (!done(at) && newline(at)) ++at;
    return at;
  }

  // The end of the white space from `at` on; it ends before its last code point if something follows it.
  std::size_t gap(std::size_t at) const {
    std::size_t last = at, end = look(at).end;
    while (!done(end)) {
      const Char c = look(end);
      if (c.kind != CharClass::kSpace) return last > at ? last : end;
      last = end;
      end = c.end;
    }
    return end;
  }

  // The end of 's 't 're 've 'm 'll 'd at `at`, or `at`.
  std::size_t contraction(std::size_t at) const {
    const auto byte = [&](std::size_t i) { return i < text_.size() ? text_[i] : '\0'; };
    switch (byte(at + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd': return at + 2;
      case 'r':
      case 'v': return byte(at + 2) == 'e' ? at + 3 : at;
      case 'l': return byte(at + 2) == 'l' ? at + 3 : at;
      default: return at;
    }
  }

  // The same regardless of case; the long s folds to s.
  std::size_t any_contraction(std::size_t at) const {
    const auto byte = [&](std::size_t i) {
      const char c = i < text_.size() ? text_[i] : '\0';
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    if (byte(at + 1) == '\xC5' && byte(at + 2) == '\xBF') return at + 3;
    switch (byte(at + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd': return at + 2;
      case 'r':
      case 'v': return byte(at + 2) == 'e' ? at + 3 : at;
      case 'l': return byte(at + 2) == 'l' ? at + 3 : at;
      default: return at;
    }
  }

 private:
  std::string_view text_;
  const CharClasses& classes_;
};

std::size_t gpt2_end(std::string_view text, std::size_t begin) {
  const Scanner scan(text);
  if (text[begin] == '\'')
    if (const std::size_t end = scan.contraction(begin); end > begin) return end;
  const Char first = scan.look(begin);
  if (first.kind != CharClass::kSpace) return scan.run(first.end, first.kind);
  if (text[begin] == ' ' && !scan.done(first.end)) {
    const Char second = scan.look(first.end);
    if (second.kind != CharClass::kSpace) return scan.run(second.end, second.kind);
  }
  return scan.gap(begin);
}

std::size_t blank_end(const Scanner& scan, std::size_t begin) {
  std::size_t after_newline = begin, at = begin;
  while (!scan.done(at)) {
    const Char c = scan.look(at);
    if (c.kind != CharClass::kSpace) break;
    if (scan.newline(at)) after_newline = c.end;
    at = c.end;
  }
  return after_newline > begin ? after_newline : scan.gap(begin);
}

std::size_t tiktoken_end(std::string_view text, std::size_t begin, int digits) {
  const Scanner scan(text);
  if (text[begin] == '\'')
    if (const std::size_t end = scan.any_contraction(begin); end > begin) return end;
  const Char first = scan.look(begin);
  if (first.kind == CharClass::kLetter) return scan.run(first.end, CharClass::kLetter);
  if (first.kind == CharClass::kNumber) {
    std::size_t end = first.end;
    for (int i = 1; i < digits && scan.is(end, CharClass::kNumber); ++i) end = scan.look(end).end;
    return end;
  }
  if (!scan.newline(begin) && scan.is(first.end, CharClass::kLetter))
    return scan.run(first.end, CharClass::kLetter);
  if (first.kind == CharClass::kOther) return scan.newlines(scan.run(first.end, CharClass::kOther));
  if (text[begin] == ' ' && scan.is(first.end, CharClass::kOther))
    return scan.newlines(scan.run(first.end, CharClass::kOther));
  return blank_end(scan, begin);
}

}  // namespace

std::optional<Split> split_of_regex(std::string_view regex) {
  if (regex == kLlama3Regex) return Split::kLlama3;
  if (regex == kQwen2Regex) return Split::kQwen2;
  return std::nullopt;
}

std::size_t stretch_end(Split split, std::string_view text, std::size_t begin) {
  if (split != Split::kSmolLm2) return text.size();
  const auto digit = [&](std::size_t& at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte >= 0x80) return is_split_digit(utf8::next(text, at));
    ++at;
    return byte >= '0' && byte <= '9';
  };
  std::size_t at = begin;
  if (digit(at)) return at;
  while (at < text.size()) {
    std::size_t after = at;
    if (digit(after)) break;
    at = after;
  }
  return at;
}

std::size_t word_end(Split split, std::string_view text, std::size_t begin) {
  switch (split) {
    case Split::kLlama3: return tiktoken_end(text, begin, 3);
    case Split::kQwen2: return tiktoken_end(text, begin, 1);
    default: return gpt2_end(text, begin);
  }
}

}  // namespace preferd::text
