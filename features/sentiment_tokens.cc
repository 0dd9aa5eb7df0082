// There are three passes, each linear.
//
// 1. Chunks: runs between white space, with every quote as a chunk of its own and "n't" split before the n.
// Two or more line feeds in a row (CR LF counts as one) give an end-of-sentence mark, and so does the word
// for that mark.
//
// 2. Chunks lose punctuation at both ends, each character becoming a token. A period comes off too, unless
// what is left is an abbreviation; three periods at the end come off as "...", and the rest of their row
// vanishes.
//
// 3. Sentences end after . ... ? ! or a mark, and after what closes behind it: ) ” ’, but not a straight
// quote. Within a sentence "( ! )" becomes "(!)", then emoticons are joined again.
#include "features/sentiment_tokens.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"
#include "features/emoticons.h"

namespace preferd::features {
namespace {

using Tokens = std::vector<std::string_view>;

constexpr std::string_view kSentenceEnd = "END-OF-SENTENCE";

constexpr auto kPunctuation = [] {
  std::array<bool, 256> set{};
  for (const char c : std::string_view(",;:!?()[]{}`'\"@#$^&*+-|=~_"))
    set[static_cast<unsigned char>(c)] = true;
  return set;
}();

bool is_punctuation(char c) { return kPunctuation[static_cast<unsigned char>(c)]; }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return is_capital(c) || (c >= 'a' && c <= 'z'); }
bool is_consonant(char c) {
  return std::string_view("bcdfghjklmnpqrstvwxz|").find(c) != std::string_view::npos;
}

// Which prefixes of one chunk are abbreviations, each answered in constant time.
class Abbreviations {
 public:
  explicit Abbreviations(std::string_view chunk) {
    while (dotted_ + 1 < chunk.size() && is_letter(chunk[dotted_]) && chunk[dotted_ + 1] == '.') dotted_ += 2;
    if (!is_capital(chunk[0])) return;
    while (1 + consonants_ < chunk.size() && is_consonant(chunk[1 + consonants_])) ++consonants_;
  }

  // `start`: a prefix of the chunk that ends in a period: "U.S.", "Mr.", or one from a list.
  bool contain(std::string_view start) const {
    if (start.size() <= dotted_ || (consonants_ > 0 && start.size() == consonants_ + 2)) return true;
    static constexpr std::string_view kListed[] = {
        "adj.", "adv.", "al.",  "cf.",  "comp.", "conf.", "def.", "ed.",   "esp.",  "etc.", "ex.", "fig.",
        "gen.", "id.",  "int.", "Med.", "Mil.",  "orig.", "pl.",  "pred.", "pres.", "ref.", "vs."};
    return start.size() <= 5 && std::find(std::begin(kListed), std::end(kListed), start) != std::end(kListed);
  }

 private:
  std::size_t dotted_ = 0, consonants_ = 0;
};

void split_chunk(std::string_view chunk, Tokens& tokens) {
  while (!chunk.empty() && is_punctuation(chunk.front())) {
    tokens.push_back(chunk.substr(0, 1));
    chunk.remove_prefix(1);
  }
  if (chunk.empty()) return;
  const Abbreviations abbreviations(chunk);
  const std::size_t at = tokens.size();
  const auto take = [&](std::size_t size) {
    tokens.push_back(chunk.substr(chunk.size() - size));
    chunk.remove_suffix(size);
  };
  while (!chunk.empty() && (is_punctuation(chunk.back()) || chunk.back() == '.')) {
    if (is_punctuation(chunk.back())) take(1);
    if (chunk.ends_with("...")) {
      take(3);
      while (chunk.ends_with('.')) chunk.remove_suffix(1);
    }
    if (!chunk.ends_with('.')) continue;
    if (abbreviations.contain(chunk)) break;
    take(1);
  }
  if (!chunk.empty()) tokens.push_back(chunk);
  std::reverse(tokens.begin() + static_cast<std::ptrdiff_t>(at), tokens.end());
}

bool is_quote(char32_t c) {
  return c == U'\'' || c == U'"' || (c >= 0x2018 && c <= 0x201D && c != 0x201A && c != 0x201B);
}

Tokens split_text(std::string_view text) {
  Tokens tokens;
  tokens.reserve(text.size() / 4);
  std::size_t start = 0;  // of the chunk
  int line_feeds = 0;     // in a row, just before `at`
  const auto end_chunk = [&](std::size_t end) {
    if (end > start) split_chunk(text.substr(start, end - start), tokens);
    start = end;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    const char32_t c = utf8::next(text, at);
    if (unicode::is_space(c)) {
      end_chunk(here);
      start = at;
      if (c == U'\r' && at < text.size() && text[at] == '\n') continue;
      line_feeds = c == U'\n' ? line_feeds + 1 : 0;
      if (line_feeds == 2) tokens.push_back(kSentenceEnd);
      continue;
    }
    line_feeds = 0;
    if (!is_quote(c)) continue;
    if (c == U'\'' && here > start && text[here - 1] == 'n' && at < text.size() && text[at] == 't')
      end_chunk(here - 1);
    end_chunk(here);
    tokens.push_back(text.substr(here, at - here));
    start = at;
  }
  end_chunk(text.size());
  return tokens;
}

bool ends_sentence(std::string_view token) {
  return token == "." || token == "!" || token == "?" || token == "..." || token == kSentenceEnd;
}

bool closes_sentence(std::string_view token) {
  return ends_sentence(token) || token == ")" || token == "”" || token == "’";
}

}  // namespace

std::string sentiment_tokens(std::string_view text) {
  const Tokens tokens = split_text(text);
  std::string out, sentence;
  out.reserve(text.size() + tokens.size());
  const auto end_sentence = [&] {
    if (sentence.empty()) return;
    if (!out.empty()) out += ' ';
    append_with_emoticons(out, sentence);
    sentence.clear();
  };
  bool closing = false;
  for (const std::string_view token : tokens) {
    if (closing && !closes_sentence(token)) {
      end_sentence();
      closing = false;
    }
    closing = closing || ends_sentence(token);
    if (token == kSentenceEnd) continue;
    if (!sentence.empty()) sentence += ' ';
    sentence += token;
    if (token == ")" && sentence.ends_with("( ! )")) sentence.replace(sentence.size() - 5, 5, "(!)");
  }
  end_sentence();
  return out;
}

}  // namespace preferd::features
