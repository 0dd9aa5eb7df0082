#include "model/text/bert_normalizer.h"

#include <algorithm>
#include <iterator>

#include "base/unicode.h"
#include "base/unicode_data.h"
#include "base/utf8.h"
#include "model/text/model_json.h"

namespace preferd::text {
namespace {

using unicode::Category;

constexpr int kOldCategories = 8, kDecompositions = 9;  // versions of Unicode

struct Range {
  char32_t first, last;
};

struct Point {
  char32_t c;
  std::uint32_t origin;
};
using Points = std::vector<Point>;

bool old(char32_t c) { return unicode::age(c) <= kOldCategories; }

bool is_control(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  const Category category = unicode::category(c);
  return category == Category::kCc || category == Category::kCo || (category == Category::kCf && old(c));
}

bool is_mark(char32_t c) {
  if (c == 0x1734 || c == 0x1171E) return true;
  return unicode::category(c) == Category::kMn && old(c) && c != 0x1885 && c != 0x1886 && c != 0x111C9;
}

bool is_punctuation(char32_t c) {
  if (c < 0x80) return c > 0x20 && c < 0x7F && (c == U'_' || !unicode::is_word(c));
  if (c == 0x166D || c == 0x111C9) return true;
  const Category category = unicode::category(c);
  const bool any = (category >= Category::kPd && category <= Category::kPo) || category == Category::kPi ||
                   category == Category::kPf;
  return any && old(c);
}

bool is_ideograph(char32_t c) {
  constexpr Range kRanges[] = {{0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xF900, 0xFAFF},  {0x20000, 0x2A6DF},
                               {0x2A700, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F}};
  return std::ranges::any_of(kRanges, [c](Range r) { return c >= r.first && c <= r.last; });
}

// Lower case of characters that ICU may not know yet.
char32_t newer_lower(char32_t c) {
  struct Shift {
    char32_t first, last;
    std::int32_t by;
  };
  constexpr Shift kShifts[] = {{0x1C89, 0x1C89, 1},      {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
                               {0xA7CC, 0xA7CC, 1},      {0xA7CE, 0xA7CE, 1},
                               {0xA7D2, 0xA7D2, 1},      {0xA7D4, 0xA7D4, 1},
                               {0xA7DA, 0xA7DA, 1},      {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
                               {0x10D50, 0x10D65, 0x20}, {0x16EA0, 0x16EB8, 0x1B}};
  for (const Shift& s : kShifts)
    if (c >= s.first && c <= s.last) return static_cast<char32_t>(static_cast<std::int32_t>(c) + s.by);
  return c;
}

Points cleaned(const Points& from) {
  Points out;
  for (const Point& p : from)
    if (p.c != 0xFFFD && !is_control(p.c))
      out.push_back({unicode::is_white_space(p.c) ? U' ' : p.c, p.origin});
  return out;
}

Points with_spaces(const Points& from) {
  Points out;
  for (const Point& p : from) {
    const bool alone = is_ideograph(p.c);
    if (alone) out.push_back({' ', p.origin});
    out.push_back(p);
    if (alone) out.push_back({' ', p.origin});
  }
  return out;
}

int combining_class(char32_t c) {
  return unicode::age(c) <= kDecompositions ? unicode::combining_class(c) : 0;
}

// The canonical decomposition in canonical order, without nonspacing marks. The order of the origins stays.
Points stripped(const Points& from) {
  Points out;
  for (const Point& p : from) {
    const bool whole = p.c < 0xC0 || unicode::age(p.c) > kDecompositions;
    for (const char32_t c : whole ? std::u32string{p.c} : unicode::decomposed(p.c))
      out.push_back({c, p.origin});
  }
  for (auto run = out.begin(); run != out.end();) {
    const auto marked = [](const Point& p) { return p.c >= 0x300 && combining_class(p.c) != 0; };
    run = std::find_if(run, out.end(), marked);
    const auto end = std::find_if_not(run, out.end(), marked);
    std::vector<std::uint32_t> origins;
    for (auto at = run; at != end; ++at) origins.push_back(at->origin);
    std::stable_sort(
        run, end, [](const Point& a, const Point& b) { return combining_class(a.c) < combining_class(b.c); });
    for (const std::uint32_t origin : origins) (run++)->origin = origin;
  }
  std::erase_if(out, [](const Point& p) { return is_mark(p.c); });
  return out;
}

Points lowered(const Points& from) {
  Points out;
  for (const Point& p : from) {
    if (p.c == 0x130) {
      out.push_back({'i', p.origin});
      out.push_back({0x307, p.origin});
    } else {
      const char32_t lower = unicode::lower(p.c);
      out.push_back({lower == p.c ? newer_lower(p.c) : lower, p.origin});
    }
  }
  return out;
}

}  // namespace

Result<BertNormalizer> BertNormalizer::create(const Json& component) {
  if (type_of(component) != "BertNormalizer")
    return invalid("tokenizer.json: normalizer " + type_of(component) +
                   " is not supported for WordPiece (BertNormalizer)");
  BertNormalizer out;
  out.clean_ = member(component, "clean_text") != Json(false);
  out.spaces_ideographs_ = member(component, "handle_chinese_chars") != Json(false);
  out.lowers_ = member(component, "lowercase") != Json(false);
  const Json& strips = member(component, "strip_accents");
  out.strips_ = strips.is_null() ? out.lowers_ : strips == Json(true);
  return out;
}

NormalizedText BertNormalizer::normalize(std::string_view text) const {
  Points points;
  for (std::size_t at = 0; at < text.size();) {
    const auto origin = static_cast<std::uint32_t>(at);
    points.push_back({utf8::next(text, at), origin});
  }
  if (clean_) points = cleaned(points);
  if (spaces_ideographs_) points = with_spaces(points);
  if (strips_) points = stripped(points);
  if (lowers_) points = lowered(points);
  NormalizedText out;
  for (const Point& p : points) {
    utf8::append(out.text, p.c);
    out.origin.resize(out.text.size(), p.origin);
  }
  return out;
}

void each_bert_word(std::string_view text, const std::function<void(std::size_t, std::size_t)>& take) {
  std::size_t word = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    const char32_t c = utf8::next(text, at);
    const bool punctuation = is_punctuation(c);
    if (!punctuation && !unicode::is_white_space(c)) continue;
    if (start > word) take(word, start);
    if (punctuation) take(start, at);
    word = at;
  }
  if (text.size() > word) take(word, text.size());
}

}  // namespace preferd::text
