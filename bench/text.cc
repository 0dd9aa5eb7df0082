#include "bench/text.h"

#include <array>
#include <random>
#include <span>
#include <string_view>

namespace preferd::bench {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 96> kEnglish = {"the",
                                                       "of",
                                                       "and",
                                                       "to",
                                                       "a",
                                                       "in",
                                                       "is",
                                                       "that",
                                                       "it",
                                                       "was",
                                                       "for",
                                                       "on",
                                                       "are",
                                                       "as",
                                                       "with",
                                                       "they",
                                                       "at",
                                                       "this",
                                                       "have",
                                                       "from",
                                                       "or",
                                                       "had",
                                                       "by",
                                                       "but",
                                                       "some",
                                                       "what",
                                                       "there",
                                                       "we",
                                                       "can",
                                                       "other",
                                                       "were",
                                                       "all",
                                                       "your",
                                                       "when",
                                                       "use",
                                                       "how",
                                                       "said",
                                                       "each",
                                                       "which",
                                                       "their",
                                                       "time",
                                                       "will",
                                                       "way",
                                                       "about",
                                                       "many",
                                                       "then",
                                                       "would",
                                                       "write",
                                                       "like",
                                                       "these",
                                                       "long",
                                                       "make",
                                                       "thing",
                                                       "see",
                                                       "him",
                                                       "two",
                                                       "has",
                                                       "look",
                                                       "more",
                                                       "day",
                                                       "could",
                                                       "go",
                                                       "come",
                                                       "number",
                                                       "sound",
                                                       "people",
                                                       "water",
                                                       "first",
                                                       "question",
                                                       "answer",
                                                       "example",
                                                       "however",
                                                       "because",
                                                       "important",
                                                       "different",
                                                       "government",
                                                       "experience",
                                                       "explain",
                                                       "recipe",
                                                       "function",
                                                       "research",
                                                       "language",
                                                       "history",
                                                       "temperature",
                                                       "probably",
                                                       "consider",
                                                       "don't",
                                                       "it's",
                                                       "2024",
                                                       "3.14",
                                                       "Python",
                                                       "Shakespeare",
                                                       "photosynthesis",
                                                       "unfortunately",
                                                       "e.g.",
                                                       "user's"};
constexpr std::array<std::string_view, 16> kStatements = {
    "for (int # = 0; # < count; ++#) {",
    "  const auto # = static_cast<std::size_t>(#.size());",
    "    if (!#) return std::nullopt;  // nothing to do",
    "}",
    "",
    "def #(self, #: int = 0) -> list[str]:",
    "    return [#.strip() for # in self.# if # is not None]",
    "        self.# += 0x1F * #[-1]",
    "import #",
    "    # = json.loads(#)[\"#\"]",
    "class #(Base):",
    "    \"\"\"Reads # from # and checks it.\"\"\"",
    "std::vector<float> #(const std::string& #, int #);",
    "\t# := make(map[string]int, len(#))",
    "SELECT #, count(*) FROM # WHERE # > 100 GROUP BY 1;",
    "  <div class=\"#\">{{ # }}</div>"};
constexpr std::array<std::string_view, 16> kNames = {
    "i",     "value", "row_count", "Tokenizer", "user_id", "response", "k",      "maxLength",
    "items", "data",  "result",    "HttpError", "offset",  "names",    "config", "total_bytes"};
constexpr std::array<std::string_view, 64> kChinese = {
    "的", "一", "是", "不", "了", "人", "我", "在", "有", "他", "这", "中", "大", "来", "上", "国",
    "个", "到", "说", "们", "为", "子", "和", "你", "地", "出", "道", "也", "时", "年", "得", "就",
    "那", "要", "下", "以", "生", "会", "自", "着", "去", "之", "过", "家", "学", "对", "可", "她",
    "里", "后", "小", "么", "心", "多", "天", "而", "能", "好", "都", "然", "没", "日", "于", "起"};

class Source {
 public:
  explicit Source(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  // Small indices are more frequent, as in real texts.
  std::string_view often(Words words) { return words[below(1 + below(words.size()))]; }
  std::string_view any(Words words) { return words[below(words.size())]; }

 private:
  std::mt19937 random_;
};

}  // namespace

std::string english(std::size_t bytes, unsigned seed) {
  Source source(seed);
  std::string out;
  while (out.size() < bytes) {
    std::string sentence;
    const std::size_t words = 5 + source.below(14);
    for (std::size_t i = 0; i < words; ++i) {
      if (i > 0) sentence += source.below(12) == 0 ? ", " : " ";
      sentence += source.often(kEnglish);
    }
    if (sentence[0] >= 'a' && sentence[0] <= 'z') sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
    out += sentence + (source.below(8) == 0 ? "?\n\n" : ". ");
  }
  return out;
}

std::string code(std::size_t bytes, unsigned seed) {
  Source source(seed);
  std::string out;
  while (out.size() < bytes) {
    for (const char c : source.any(kStatements)) {
      if (c == '#')
        out += source.any(kNames);
      else
        out += c;
    }
    out += '\n';
  }
  return out;
}

std::string chinese(std::size_t bytes, unsigned seed) {
  Source source(seed);
  std::string out;
  while (out.size() < bytes) {
    const std::size_t length = 4 + source.below(20);
    for (std::size_t i = 0; i < length; ++i) out += source.often(kChinese);
    out += source.below(3) == 0 ? "。" : "，";
  }
  return out;
}

}  // namespace preferd::bench
