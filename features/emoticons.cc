#include "features/emoticons.h"

#include <array>
#include <cstdint>
#include <span>

#include "base/utf8.h"

namespace preferd::features {
namespace {

struct Emoticon {
  std::string_view text;
  double polarity;
};

// Sorted by first byte; if one is the beginning of another, the longer one comes first.
constexpr Emoticon kEmoticons[] = {
    {"*-)", 0.25},  {"*)", 0.25},    {"8-D", 1.0},   {"8)", 0.5},    {"8-)", 0.5},    {":-D", 1.0},
    {":D", 1.0},    {":-P", 0.75},   {":P", 0.75},   {":-p", 0.75},  {":p", 0.75},    {":-b", 0.75},
    {":b", 0.75},   {":c)", 0.75},   {":o)", 0.75},  {":^)", 0.75},  {":-)", 0.5},    {":)", 0.5},
    {":]", 0.5},    {":}", 0.5},     {":>", 0.5},    {":3", 0.5},    {":-O", 0.05},   {":O", 0.05},
    {":o", 0.05},   {":-o", 0.05},   {":-/", -0.25}, {":/", -0.25},  {":\\", -0.25},  {":-.", -0.25},
    {":-s", -0.25}, {":s", -0.25},   {":S", -0.25},  {":-S", -0.25}, {":-(", -0.75},  {":(", -0.75},
    {":-[", -0.75}, {":[", -0.75},   {":{", -0.75},  {":-<", -0.75}, {":c", -0.75},   {":-c", -0.75},
    {":'(", -1.0},  {":'''(", -1.0}, {";-)", 0.25},  {";)", 0.25},   {";-]", 0.25},   {";]", 0.25},
    {";D", 0.25},   {";^)", 0.25},   {";'(", -1.0},  {"<3", 1.0},    {"=-D", 1.0},    {"=D", 1.0},
    {"=)", 0.5},    {"=]", 0.5},     {"=(", -0.75},  {"=/", -0.75},  {">:D", 1.0},    {">:P", 0.75},
    {">:)", 0.5},   {">;]", 0.25},   {">:o", 0.05},  {">:/", -0.25}, {">:\\", -0.25}, {">.>", -0.25},
    {">:[", -0.75}, {"X-D", 1.0},    {"XD", 1.0},    {"o_O", 0.05},  {"o.O", 0.05},   {"x-D", 1.0},
    {"xD", 1.0},    {"°O°", 0.05},   {"°o°", 0.05},  {"♥", 1.0},
};

// Those that begin with byte c are [kStarts[c], kStarts[c + 1]).
constexpr auto kStarts = [] {
  std::array<std::uint8_t, 257> starts{};
  std::size_t at = 0;
  for (std::size_t c = 0; c < starts.size(); ++c) {
    while (at < std::size(kEmoticons) && static_cast<unsigned char>(kEmoticons[at].text[0]) < c) ++at;
    starts[c] = static_cast<std::uint8_t>(at);
  }
  return starts;
}();

std::span<const Emoticon> beginning_with(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return std::span(kEmoticons)
      .subspan(kStarts[byte], static_cast<std::size_t>(kStarts[byte + 1u] - kStarts[byte]));
}

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
constexpr bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

bool equals_lower(std::string_view word, std::string_view emoticon) {
  if (word.size() != emoticon.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i)
    if (word[i] != lower(emoticon[i])) return false;
  return true;
}

bool all_letters(std::string_view word) {
  for (const char c : word)
    if (!is_letter(c)) return false;
  return true;
}

// Where the emoticon that begins at `at` ends, with one space allowed between its characters; 0: not here.
std::size_t end_of(std::string_view emoticon, std::string_view sentence, std::size_t at) {
  for (std::size_t k = 0; k < emoticon.size(); ++k) {
    if (k > 0 && !utf8::is_continuation(emoticon[k]) && at < sentence.size() && sentence[at] == ' ') ++at;
    if (at == sentence.size() || sentence[at] != emoticon[k]) return 0;
    ++at;
  }
  return at == sentence.size() || sentence[at] == ' ' ? at : 0;
}

}  // namespace

std::optional<double> emoticon_polarity(std::string_view word) {
  if (word.empty() || word.size() > 5 || all_letters(word)) return std::nullopt;
  for (const Emoticon& e : beginning_with(word[0]))
    if (equals_lower(word, e.text)) return e.polarity;
  return std::nullopt;
}

void append_with_emoticons(std::string& out, std::string_view sentence) {
  std::size_t copied = 0;
  for (std::size_t at = 0; at < sentence.size(); ++at) {
    for (const Emoticon& e : beginning_with(sentence[at])) {
      const std::size_t end = end_of(e.text, sentence, at);
      if (end == 0) continue;
      out.append(sentence, copied, at - copied).append(e.text);
      copied = end;
      at = end - 1;
      break;
    }
  }
  out.append(sentence, copied);
}

}  // namespace preferd::features
