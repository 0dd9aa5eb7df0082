#include "model/text/pattern_syntax.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "base/utf8.h"
#include "model/text/pattern_tree.h"

namespace preferd::text {
namespace {

using unicode::Category;
using Greed = PatternNode::Greed;
using Kind = PatternNode::Kind;

constexpr int kDeepest = 64;
constexpr std::uint32_t kMostRepeats = 1000;

constexpr std::array<const char*, unicode::kCategories> kNames = {
    "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Me", "Mc", "Nd", "Nl", "No", "Zs", "Zl", "Zp",
    "Cc", "Cf", "Co", "Cs", "Pd", "Ps", "Pe", "Pc", "Po", "Sm", "Sc", "Sk", "So", "Pi", "Pf"};

// A category ("Lu") or a group of them ("L").
std::optional<CodePoints> named_set(std::string_view name) {
  std::vector<Category> categories;
  for (std::size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i] || (name.size() == 1 && name[0] == kNames[i][0]))
      categories.push_back(static_cast<Category>(i));
  if (categories.empty()) return std::nullopt;
  return CodePoints::of(categories);
}

CodePoints only(char32_t c) { return CodePoints({{c, c}}); }
bool ascii_letter(char32_t c) { return c < 0x80 && ((c | 0x20) >= U'a' && (c | 0x20) <= U'z'); }

// Whether these two letters, one behind the other, are also the case folding of one other character.
bool folds_together(char32_t a, char32_t b) {
  const auto pair = std::u32string{a | 0x20, b | 0x20};
  return pair == U"ss" || pair == U"ff" || pair == U"fi" || pair == U"fl" || pair == U"st";
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<PatternNode> parse() {
    PatternNode out = either(false, 0);
    if (failure_.empty() && !done()) fail("has ')' without '('");
    if (!failure_.empty()) return invalid(failure_);
    return out;
  }

 private:
  PatternNode fail(std::string why) {
    if (failure_.empty()) failure_ = "it " + std::move(why);
    at_ = text_.size();
    return {};
  }

  bool done() const { return at_ >= text_.size(); }
  bool see(std::string_view token) const { return text_.substr(at_).starts_with(token); }
  bool accept(std::string_view token) {
    if (!see(token)) return false;
    at_ += token.size();
    return true;
  }

  PatternNode either(bool fold, int depth) {
    if (depth > kDeepest) return fail("is nested too deeply");
    PatternNode out{Kind::kEither};
    do out.parts.push_back(sequence(fold, depth));
    while (accept("|"));
    return out;
  }

  PatternNode sequence(bool fold, int depth) {
    PatternNode out;
    char32_t before = 0;  // the letter that the last part is, if it is one
    while (!done() && !see("|") && !see(")")) {
      if (accept("(?i)")) {
        out.parts.push_back(either(true, depth + 1));
        break;
      }
      const std::size_t begin = at_;
      PatternNode part = atom(fold, depth);
      const char32_t letter = at_ - begin == 1 && ascii_letter(static_cast<unsigned char>(text_[begin]))
                                  ? static_cast<unsigned char>(text_[begin])
                                  : 0;
      if (fold && before != 0 && letter != 0 && folds_together(before, letter))
        return fail("has letters regardless of case that fold into one character, which is not supported");
      before = letter;
      out.parts.push_back(repeated(std::move(part)));
    }
    return out;
  }

  PatternNode atom(bool fold, int depth) {
    if (see("(")) return group(fold, depth);
    if (accept("[")) return {Kind::kSet, bracket(fold)};
    if (accept(".")) return {Kind::kSet, only('\n').inverted()};
    if (accept("$")) return {Kind::kNotAhead, only('\n').inverted()};
    if (see("^") || see("*") || see("+") || see("?"))
      return fail("has " + std::string(text_.substr(at_, 1)) + " where it is not supported");
    if (see("\\")) {
      const std::optional<char32_t> one = escaped_character();
      if (one) return {Kind::kSet, folded(*one, fold)};
      return {Kind::kSet, escaped_set(fold)};
    }
    return {Kind::kSet, folded(utf8::next(text_, at_), fold)};
  }

  PatternNode group(bool fold, int depth) {
    const bool ahead = accept("(?="), not_ahead = !ahead && accept("(?!");
    if (!ahead && !not_ahead) {
      if (accept("(?i:"))
        fold = true;
      else if (!accept("(?:") && (see("(?") || !accept("(")))
        return fail("has a group " + std::string(text_.substr(at_, 4)) + " that is not supported");
    }
    PatternNode out = either(fold, depth + 1);
    if (!accept(")")) return fail("has '(' without ')'");
    if (!ahead && !not_ahead) return out;
    const PatternNode* only_part = &out;
    while (only_part->parts.size() == 1 && only_part->kind != Kind::kRepeat) only_part = &only_part->parts[0];
    if (only_part->kind != Kind::kSet)
      return fail("looks ahead by more than one character, which is not supported");
    return {ahead ? Kind::kAhead : Kind::kNotAhead, only_part->set};
  }

  PatternNode repeated(PatternNode part) {
    for (bool again = false;; again = true) {
      std::uint32_t least = 0, most = PatternNode::kNoLimit;
      bool interval = false;
      if (accept("?"))
        most = 1;
      else if (accept("+"))
        least = 1;
      else if (see("{"))
        interval = true;
      else if (!accept("*"))
        return part;
      if (interval && !read_interval(least, most)) return {};
      if (part.kind == Kind::kAhead || part.kind == Kind::kNotAhead)
        return fail("repeats an assertion, which is not supported");
      if (again && !interval_) return fail("repeats a repetition, which is not supported");
      Greed greed = Greed::kGreedy;
      if (interval && least == most && see("?")) return fail("has {n}?, which is not supported");
      if (accept("?"))
        greed = Greed::kLazy;
      else if (!interval && accept("+"))
        greed = Greed::kPossessive;
      interval_ = interval;
      PatternNode out{Kind::kRepeat};
      out.parts.push_back(std::move(part));
      out.least = least;
      out.most = most;
      out.greed = greed;
      part = std::move(out);
    }
  }

  // {n} {n,} {,m} {n,m}
  bool read_interval(std::uint32_t& least, std::uint32_t& most) {
    const auto number = [&](std::uint32_t otherwise) {
      std::uint32_t value = 0;
      const std::size_t begin = at_;
      while (!done() && text_[at_] >= '0' && text_[at_] <= '9' && value <= kMostRepeats)
        value = value * 10 + static_cast<std::uint32_t>(text_[at_++] - '0');
      return at_ == begin ? otherwise : value;
    };
    accept("{");
    const std::size_t begin = at_;
    least = number(0);
    const bool counted = at_ > begin;
    most = least;
    if (accept(",")) {
      most = number(PatternNode::kNoLimit);
      if (!counted && most == PatternNode::kNoLimit) most = 0, least = 1;
    } else if (!counted) {
      least = most + 1;
    }
    const bool good = accept("}") && least <= most && least <= kMostRepeats &&
                      (most <= kMostRepeats || most == PatternNode::kNoLimit);
    if (!good) fail("has { that is not a number of repetitions up to " + std::to_string(kMostRepeats));
    return good;
  }

  CodePoints folded(char32_t c, bool fold) {
    if (!fold || (c < 0x80 && !ascii_letter(c))) return only(c);
    if (c >= 0x80) {
      const auto category = unicode::category(c);
      if (category != Category::kPf && category != Category::kPi && category != Category::kPo)
        fail("has a character beyond ASCII regardless of case, which is not supported");
      return only(c);
    }
    CodePoints out = only(c).with(only(c ^ 0x20));
    if ((c | 0x20) == U's') out = out.with(only(0x17F));
    if ((c | 0x20) == U'k') out = out.with(only(0x212A));
    return out;
  }

  // A character behind a backslash; nothing, without moving, if it is a set.
  std::optional<char32_t> escaped_character() {
    if (at_ + 1 >= text_.size()) return fail("ends in a backslash"), U'\\';
    const char c = text_[at_ + 1];
    if (std::string_view("pPsSdD").find(c) != std::string_view::npos) return std::nullopt;
    constexpr std::string_view kLetters = "rntfvae", kMeanings = "\r\n\t\f\v\a\x1B";
    if (const std::size_t i = kLetters.find(c); i != std::string_view::npos) {
      at_ += 2;
      return static_cast<unsigned char>(kMeanings[i]);
    }
    if (c == 'x' || c == 'u') return escaped_number();
    const auto u = static_cast<unsigned char>(c);
    if (ascii_letter(u) || (u >= '0' && u <= '9'))
      return fail("has \\" + std::string(1, c) + ", which is not supported"), U'\\';
    ++at_;
    return utf8::next(text_, at_);
  }

  // \xHH, \x{H...}, \uHHHH
  std::optional<char32_t> escaped_number() {
    const bool wide = text_[at_ + 1] == 'u';
    at_ += 2;
    const bool braced = !wide && accept("{");
    const std::size_t most = braced ? 6 : wide ? 4 : 2;
    char32_t value = 0;
    std::size_t digits = 0;
    for (; !done() && digits < most; ++digits) {
      const auto c = static_cast<unsigned char>(text_[at_]);
      const bool decimal = c >= '0' && c <= '9', letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'f';
      if (!decimal && !letter) break;
      value = value * 16 + (decimal ? c - U'0' : (c | 0x20) - U'a' + 10);
      ++at_;
    }
    const bool complete = braced ? digits > 0 && accept("}") : digits == most;
    if (!complete || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000) ||
        (!wide && !braced && value >= 0x80))
      fail("has a code point that is malformed");
    return value;
  }

  // \s \S \d \D \p{..} \P{..} \p{^..}
  CodePoints escaped_set(bool fold) {
    const char c = text_[at_ + 1];
    at_ += 2;
    if (c == 's') return CodePoints::white_space();
    if (c == 'S') return CodePoints::white_space().inverted();
    if (c == 'd' || c == 'D') return c == 'd' ? *named_set("Nd") : named_set("Nd")->inverted();
    const std::size_t end = text_.find('}', at_);
    if (!accept("{") || end == std::string_view::npos) return fail("has \\p without a name"), CodePoints();
    bool inverted = c == 'P';
    if (accept("^")) inverted = !inverted;
    const std::string_view name = text_.substr(at_, end - at_);
    at_ = end + 1;
    const std::optional<CodePoints> set = named_set(name);
    if (!set) return fail("has \\p{" + std::string(name) + "}, which is not supported"), CodePoints();
    if (fold) fail("has \\p regardless of case, which is not supported");
    return inverted ? set->inverted() : *set;
  }

  // Behind '['.
  CodePoints bracket(bool fold) {
    CodePoints out;
    const bool inverted = accept("^");
    if (see("]")) fail("has a class that begins with ']', which is not supported");
    while (!accept("]")) {
      if (done()) return fail("has '[' without ']'"), out;
      if (see("[") || see("&&"))
        return fail("has a class with '" + std::string(text_.substr(at_, 2)) + "', which is not supported"),
               out;
      std::optional<char32_t> low = see("\\") ? escaped_character() : utf8::next(text_, at_);
      if (!low) {
        out = out.with(escaped_set(fold));
        if (see("-") && !see("-]")) return fail("has a range that begins with a class"), out;
        continue;
      }
      char32_t high = *low;
      if (!see("-]") && accept("-")) {
        const std::optional<char32_t> end = done()      ? std::nullopt
                                            : see("\\") ? escaped_character()
                                                        : std::optional(utf8::next(text_, at_));
        if (!end || *end < *low) return fail("has a range whose end is malformed"), out;
        high = *end;
      }
      if (fold && high > *low) return fail("has a range regardless of case, which is not supported"), out;
      out = out.with(fold ? folded(*low, true) : CodePoints({{*low, high}}));
    }
    return inverted ? out.inverted() : out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string failure_;
  bool interval_ = false;  // the last repetition was one in braces
};

}  // namespace

Result<PatternProgram> parse_pattern(std::string_view regex) {
  if (!utf8::valid(regex)) return invalid("it is not UTF-8");
  const Result<PatternNode> tree = Parser(regex).parse();
  if (!tree) return tree.error();
  return program_of(*tree);
}

Result<PatternProgram> literal_pattern(std::string_view text) {
  PatternNode tree;
  for (std::size_t at = 0; at < text.size();)
    tree.parts.push_back({PatternNode::Kind::kSet, only(utf8::next(text, at))});
  return program_of(tree);
}

}  // namespace preferd::text
