#include "model/text/code_points.h"

#include <algorithm>
#include <iterator>

#include "base/unicode.h"
#include "base/utf8.h"

namespace preferd::text {
namespace {

using unicode::Category;
using Range = CodePoints::Range;

constexpr char32_t kLast = 0x10FFFF;

struct Newer {
  char32_t first, last;
  Category category;
};

// Where Unicode 16 differs from Unicode 15.0.
constexpr Newer kNewer[] = {
    {0x897, 0x897, Category::kMn},     {0x1B4E, 0x1B4F, Category::kPo},   {0x1B7F, 0x1B7F, Category::kPo},
    {0x1C89, 0x1C89, Category::kLu},   {0x1C8A, 0x1C8A, Category::kLl},   {0x2427, 0x2429, Category::kSo},
    {0x2FFC, 0x2FFF, Category::kSo},   {0x31E4, 0x31E5, Category::kSo},   {0x31EF, 0x31EF, Category::kSo},
    {0xA7CB, 0xA7CC, Category::kLu},   {0xA7CD, 0xA7CD, Category::kLl},   {0xA7DA, 0xA7DA, Category::kLu},
    {0xA7DB, 0xA7DB, Category::kLl},   {0xA7DC, 0xA7DC, Category::kLu},   {0x105C0, 0x105F3, Category::kLo},
    {0x10D40, 0x10D49, Category::kNd}, {0x10D4A, 0x10D4D, Category::kLo}, {0x10D4E, 0x10D4E, Category::kLm},
    {0x10D4F, 0x10D4F, Category::kLo}, {0x10D50, 0x10D65, Category::kLu}, {0x10D69, 0x10D6D, Category::kMn},
    {0x10D6E, 0x10D6E, Category::kPd}, {0x10D6F, 0x10D6F, Category::kLm}, {0x10D70, 0x10D85, Category::kLl},
    {0x10D8E, 0x10D8F, Category::kSm}, {0x10EC2, 0x10EC4, Category::kLo}, {0x10EFC, 0x10EFC, Category::kMn},
    {0x11380, 0x11389, Category::kLo}, {0x1138B, 0x1138B, Category::kLo}, {0x1138E, 0x1138E, Category::kLo},
    {0x11390, 0x113B5, Category::kLo}, {0x113B7, 0x113B7, Category::kLo}, {0x113B8, 0x113BA, Category::kMc},
    {0x113BB, 0x113C0, Category::kMn}, {0x113C2, 0x113C2, Category::kMc}, {0x113C5, 0x113C5, Category::kMc},
    {0x113C7, 0x113CA, Category::kMc}, {0x113CC, 0x113CD, Category::kMc}, {0x113CE, 0x113CE, Category::kMn},
    {0x113CF, 0x113CF, Category::kMc}, {0x113D0, 0x113D0, Category::kMn}, {0x113D1, 0x113D1, Category::kLo},
    {0x113D2, 0x113D2, Category::kMn}, {0x113D3, 0x113D3, Category::kLo}, {0x113D4, 0x113D5, Category::kPo},
    {0x113D7, 0x113D8, Category::kPo}, {0x113E1, 0x113E2, Category::kMn}, {0x116D0, 0x116E3, Category::kNd},
    {0x1171E, 0x1171E, Category::kMc}, {0x11BC0, 0x11BE0, Category::kLo}, {0x11BE1, 0x11BE1, Category::kPo},
    {0x11BF0, 0x11BF9, Category::kNd}, {0x11F5A, 0x11F5A, Category::kMn}, {0x13460, 0x143FA, Category::kLo},
    {0x16100, 0x1611D, Category::kLo}, {0x1611E, 0x16129, Category::kMn}, {0x1612A, 0x1612C, Category::kMc},
    {0x1612D, 0x1612F, Category::kMn}, {0x16130, 0x16139, Category::kNd}, {0x16D40, 0x16D42, Category::kLm},
    {0x16D43, 0x16D6A, Category::kLo}, {0x16D6B, 0x16D6C, Category::kLm}, {0x16D6D, 0x16D6F, Category::kPo},
    {0x16D70, 0x16D79, Category::kNd}, {0x18CFF, 0x18CFF, Category::kLo}, {0x1CC00, 0x1CCEF, Category::kSo},
    {0x1CCF0, 0x1CCF9, Category::kNd}, {0x1CD00, 0x1CEB3, Category::kSo}, {0x1E5D0, 0x1E5ED, Category::kLo},
    {0x1E5EE, 0x1E5EF, Category::kMn}, {0x1E5F0, 0x1E5F0, Category::kLo}, {0x1E5F1, 0x1E5FA, Category::kNd},
    {0x1E5FF, 0x1E5FF, Category::kPo}, {0x1F8B2, 0x1F8BB, Category::kSo}, {0x1F8C0, 0x1F8C1, Category::kSo},
    {0x1FA89, 0x1FA89, Category::kSo}, {0x1FA8F, 0x1FA8F, Category::kSo}, {0x1FABE, 0x1FABE, Category::kSo},
    {0x1FAC6, 0x1FAC6, Category::kSo}, {0x1FADC, 0x1FADC, Category::kSo}, {0x1FADF, 0x1FADF, Category::kSo},
    {0x1FAE9, 0x1FAE9, Category::kSo}, {0x1FBCB, 0x1FBEF, Category::kSo}, {0x2EBF0, 0x2EE5D, Category::kLo}};

constexpr Range kNewerNumbers[] = {{0x11DE0, 0x11DE9}, {0x16FF4, 0x16FF6}};

bool before(char32_t c, const Range& range) { return c < range.first; }

}  // namespace

CodePoints::CodePoints(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::first);
  for (const Range& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1)
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    else
      ranges_.push_back(range);
  }
}

CodePoints CodePoints::of(std::span<const Category> categories) {
  const auto wanted = [&](Category c) { return std::ranges::find(categories, c) != categories.end(); };
  std::vector<Range> ranges;
  unicode::each_category([&](char32_t first, char32_t last, Category category) {
    for (char32_t at = first; at <= last;) {
      const auto* next = std::upper_bound(std::begin(kNewer), std::end(kNewer), at,
                                          [](char32_t x, const Newer& r) { return x <= r.last; });
      const bool inside = next != std::end(kNewer) && next->first <= at;
      const char32_t until = inside ? next->last : next == std::end(kNewer) ? last : next->first - 1;
      const char32_t end = std::min(last, until);
      if (wanted(inside ? next->category : category)) ranges.push_back({at, end});
      at = end + 1;
    }
  });
  return CodePoints(std::move(ranges));
}

const CodePoints& CodePoints::white_space() {
  static const CodePoints set = [] {
    std::vector<Range> ranges;
    for (char32_t c = 0; c <= 0x3000; ++c)
      if (unicode::is_white_space(c)) ranges.push_back({c, c});
    return CodePoints(std::move(ranges));
  }();
  return set;
}

bool CodePoints::contains(char32_t c) const {
  const auto at = std::upper_bound(ranges_.begin(), ranges_.end(), c, before);
  return at != ranges_.begin() && c <= std::prev(at)->last;
}

CodePoints CodePoints::with(const CodePoints& other) const {
  std::vector<Range> ranges = ranges_;
  ranges.insert(ranges.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePoints(std::move(ranges));
}

CodePoints CodePoints::inverted() const {
  CodePoints out;
  char32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) out.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLast) out.ranges_.push_back({next, kLast});
  return out;
}

bool CodePoints::meets(const CodePoints& other) const {
  auto a = ranges_.begin(), b = other.ranges_.begin();
  while (a != ranges_.end() && b != other.ranges_.end()) {
    if (a->last < b->first)
      ++a;
    else if (b->last < a->first)
      ++b;
    else
      return true;
  }
  return false;
}

std::string nfc_9(std::string_view text) {
  constexpr int kVersion = 9;
  std::string out;
  std::size_t known = 0;  // begin of the text that is not in `out` yet
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t start = at;
    if (unicode::age(utf8::next(text, at)) <= kVersion) continue;
    out += unicode::nfc(text.substr(known, start - known));
    out += text.substr(start, at - start);
    known = at;
  }
  return out + unicode::nfc(text.substr(known));
}

bool is_rust_word(char32_t c) {
  static const CodePoints words = [] {
    constexpr Category kWords[] = {Category::kLu, Category::kLl, Category::kLt, Category::kLm,
                                   Category::kLo, Category::kMn, Category::kMe, Category::kMc,
                                   Category::kNd, Category::kNl, Category::kPc};
    return CodePoints::of(kWords).with(CodePoints({{0x200C, 0x200D}}));
  }();
  return words.contains(c) || unicode::is_alphabetic(c);
}

bool is_split_digit(char32_t c) {
  static const CodePoints numbers = [] {
    constexpr Category kNumbers[] = {Category::kNd, Category::kNl, Category::kNo};
    return CodePoints::of(kNumbers).with(CodePoints({std::begin(kNewerNumbers), std::end(kNewerNumbers)}));
  }();
  return numbers.contains(c);
}

}  // namespace preferd::text
