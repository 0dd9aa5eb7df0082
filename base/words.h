// The words of an enumeration, written once, beside it:
//
//   enum class Pooling { kLast, kMean };
//   constexpr auto words(Pooling) {
//     return word_list<Pooling>({{"last", Pooling::kLast}, {"mean", Pooling::kMean}});
//   }
//
// Flags, files, requests and messages all take them from there: word_of(Pooling::kMean) is "mean",
// value_of<Pooling>("mean") is Pooling::kMean. The order is the one in which people are told of them.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <type_traits>

#include "base/check.h"

namespace preferd {

template <class E>
struct Word {
  const char* text;
  E value;
};

template <class E, std::size_t N>
constexpr std::array<Word<E>, N> word_list(const Word<E> (&list)[N]) {
  return std::to_array(list);
}

// An enumeration with a function words() in its own namespace.
template <class E>
concept Worded = std::is_enum_v<E> && requires(E value) {
  words(value);
};

// Every value has a word.
template <Worded E>
constexpr const char* word_of(E value) {
  for (const Word<E>& word : words(value))
    if (word.value == value) return word.text;
  check_failed(__FILE__, __LINE__, "the value has a word");
}

template <Worded E>
constexpr std::optional<E> value_of(std::string_view text) {
  for (const Word<E>& word : words(E{}))
    if (text == word.text) return word.value;
  return std::nullopt;
}

}  // namespace preferd
