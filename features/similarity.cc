// With one document every inverse document frequency is 1, so a vector is the word counts, normalized twice:
// once by the vectorizer, once by the cosine. The order of each sum is part of the result: the prompt's
// squares and the dot product run in order of first appearance in the prompt, a response's squares in code
// point order (which is the byte order of UTF-8).
//
// Words are grouped by sorting, not by hashing, so that no text can make this slow.
#include "features/similarity.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "base/unicode.h"
#include "base/utf8.h"

namespace preferd::features {
namespace {

constexpr std::size_t kMaxTerms = 200;

// Calls see(word) for every maximal run of two or more word characters.
template <class See>
void for_each_word(std::string_view text, See&& see) {
  std::size_t start = 0, length = 0;  // of the run before `at`; length in code points
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t here = at;
    if (unicode::is_word(utf8::next(text, at))) {
      if (length++ == 0) start = here;
      continue;
    }
    if (length > 1) see(text.substr(start, here - start));
    length = 0;
  }
  if (length > 1) see(text.substr(start));
}

// Ordered by bytes: first by the leading eight as a number, then by the whole word if these are equal. A word
// contains no zero byte, so padding with zeros keeps the order.
struct Word {
  explicit Word(std::string_view word) : text(word) {
    for (std::size_t i = 0; i < 8; ++i)
      head = head << 8 | (i < word.size() ? static_cast<unsigned char>(word[i]) : 0u);
  }

  std::strong_ordering operator<=>(const Word& other) const {
    return head != other.head ? head <=> other.head : text <=> other.text;
  }
  bool operator==(const Word& other) const { return head == other.head && text == other.text; }

  std::uint64_t head = 0;
  std::string_view text;
};

struct Term {
  Word word;
  std::size_t first;  // rank of its first appearance
  double count;
};

// The prompt's terms, sorted by word; views into `lower`.
std::vector<Term> terms_of(std::string_view lower) {
  std::vector<Term> terms;
  for_each_word(lower, [&](std::string_view word) { terms.push_back({Word(word), terms.size(), 1.0}); });
  std::sort(terms.begin(), terms.end(), [](const Term& x, const Term& y) {
    const auto order = x.word <=> y.word;
    return order != 0 ? order < 0 : x.first < y.first;
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (kept > 0 && terms[kept - 1].word == terms[i].word)
      terms[kept - 1].count += 1.0;
    else
      terms[kept++] = terms[i];
  }
  terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(kept), terms.end());
  if (kept <= kMaxTerms) return terms;
  std::stable_sort(terms.begin(), terms.end(),
                   [](const Term& x, const Term& y) { return x.count > y.count; });
  terms.erase(terms.begin() + kMaxTerms, terms.end());
  std::sort(terms.begin(), terms.end(), [](const Term& x, const Term& y) { return x.word < y.word; });
  return terms;
}

void normalize_twice(std::vector<double>& values) {
  for (int pass = 0; pass < 2; ++pass) {
    double square = 0;
    for (const double x : values) square += x * x;
    if (square == 0) return;
    const double norm = std::sqrt(square);
    for (double& x : values) x /= norm;
  }
}

// Counts of `terms` in the text, normalized, in the order of `terms`.
std::vector<double> response_vector(const std::vector<Term>& terms, std::string_view text) {
  std::vector<double> values(terms.size());
  const std::string lower = unicode::lower(text);
  for_each_word(lower, [&](std::string_view text_word) {
    const Word word(text_word);
    const auto term = std::lower_bound(terms.begin(), terms.end(), word,
                                       [](const Term& t, const Word& w) { return t.word < w; });
    if (term != terms.end() && term->word == word)
      values[static_cast<std::size_t>(term - terms.begin())] += 1.0;
  });
  normalize_twice(values);
  return values;
}

}  // namespace

Similarities similarities(std::string_view prompt, std::string_view response_a, std::string_view response_b) {
  prompt = unicode::strip(prompt);
  response_a = unicode::strip(response_a);
  response_b = unicode::strip(response_b);
  if (prompt.empty() || response_a.empty() || response_b.empty()) return {};
  const std::string lower = unicode::lower(prompt);
  const std::vector<Term> terms = terms_of(lower);
  if (terms.empty()) return {};

  std::vector<std::size_t> order(terms.size());  // by first appearance in the prompt
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t x, std::size_t y) { return terms[x].first < terms[y].first; });
  std::vector<double> weights;
  for (const std::size_t i : order) weights.push_back(terms[i].count);
  normalize_twice(weights);

  const auto cosine = [&](std::string_view response) {
    const std::vector<double> values = response_vector(terms, response);
    double dot = 0;
    for (std::size_t i = 0; i < order.size(); ++i) dot += weights[i] * values[order[i]];
    return dot;
  };
  return {cosine(response_a), cosine(response_b), true};
}

}  // namespace preferd::features
