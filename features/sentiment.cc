// One scan over the tokens, in lower case. Known words and emoticons make assessments; the polarity is the
// mean over them. Between them:
//
//   modifier    a known adverb scales the next known word, which takes over the adverb's assessment
//               ("very good"); an unknown word of more than two characters ends this
//   negation    no, not, never before a known word make it negative ("not good" = -0.5 good) and invert its
//               intensity; words of one character do not end this ("not a good"). After an adverb in -ly the
//               negation applies to that adverb ("really not")
//   "!"         raises the last assessment by a quarter; "(!)" is an assessment of 0
//
// "n't", one of pattern's negations, is not here: its tokenizer never passes on that word as a whole.
#include "features/sentiment.h"

#include <algorithm>
#include <string>

#include "base/unicode.h"
#include "base/utf8.h"
#include "features/emoticons.h"
#include "features/sentiment_lexicon.h"
#include "features/sentiment_tokens.h"

namespace preferd::features {
namespace {

double clamped(double polarity) { return std::max(-1.0, std::min(polarity, 1.0)); }

bool is_negation(std::string_view word) { return word == "no" || word == "not" || word == "never"; }

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

class Assessments {
 public:
  // Takes a token in lower case, or one longer than any that is known.
  void see(std::string_view word) {
    const LexiconEntry* entry = find_in_lexicon(word);
    entry ? see_known(*entry) : see_unknown(word);
  }

  double mean() {
    close();
    return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_);
  }

 private:
  void see_known(const LexiconEntry& entry) {
    if (modifier_ == Modifier::kNone) {
      add(entry.polarity, entry.intensity);
    } else {
      last_.polarity = clamped(entry.polarity * last_.intensity);
      last_.intensity = entry.intensity;
    }
    if (negation_) {
      last_.intensity = 1.0 / last_.intensity;
      last_.negative = true;
    }
    negation_ = false;
    modifier_ = entry.role == Role::kPlain   ? Modifier::kNone
                : entry.word.ends_with("ly") ? Modifier::kLy
                                             : Modifier::kOther;
  }

  void see_unknown(std::string_view word) {
    const std::size_t length = utf8::length(word);
    if (is_negation(word))
      negation_ = true;
    else if (length > 1)
      negation_ = false;
    if (negation_ && modifier_ == Modifier::kLy) {
      last_.negative = true;
      negation_ = false;
    } else if (length > 2) {
      modifier_ = Modifier::kNone;
    }
    if (word == "!" && count_ > 0) last_.polarity = clamped(last_.polarity * 1.25);
    if (word == "(!)") add(0.0, 1.0);
    if (const auto polarity = emoticon_polarity(word)) add(*polarity, 1.0);
  }

  void add(double polarity, double intensity) {
    close();
    last_ = {polarity, intensity, false};
    ++count_;
  }

  void close() {
    if (count_ > 0) sum_ += last_.negative ? last_.polarity * -0.5 : last_.polarity;
  }

  enum class Modifier { kNone, kLy, kOther };
  struct Assessment {
    double polarity = 0, intensity = 1;
    bool negative = false;
  };

  Modifier modifier_ = Modifier::kNone;
  bool negation_ = false;
  Assessment last_;  // not yet in sum_
  double sum_ = 0;
  std::size_t count_ = 0;  // including last_
};

}  // namespace

double polarity(std::string_view text) {
  // Lower case may shorten a code point from 4 bytes to 1, but never a word to fewer code points.
  constexpr std::size_t kLongestKnown = 4 * kLongestLexiconWord;
  const std::string tokens = sentiment_tokens(text);
  Assessments assessments;
  std::string lower;
  for (std::size_t at = 0; at < tokens.size();) {
    const std::size_t end = std::min(tokens.find(' ', at), tokens.size());
    const std::string_view word = std::string_view(tokens).substr(at, end - at);
    at = end + 1;
    if (word.size() > kLongestKnown) {
      assessments.see(word);
    } else if (is_ascii(word)) {
      lower.assign(word);
      for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      assessments.see(lower);
    } else {
      assessments.see(unicode::lower(word));
    }
  }
  return assessments.mean();
}

}  // namespace preferd::features
