// Words of a text, as the regular expressions in tokenizer.json split them: each known expression is a state
// machine, recognised by its exact text. Linear time.
//
//   GPT-2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//   Llama-3  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
//            |\s*[\r\n]+|\s+(?!\S)|\s+
//   Qwen2    the same with \p{N} alone
//   SmolLM2  every digit by itself, GPT-2 between them
//
// A stretch is the text that an expression sees at once: the text between two added tokens or, for SmolLM2, a
// digit or the text between two digits. Words never cross its ends, and (?!\S) holds there.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace preferd::text {

enum class Split { kGpt2, kLlama3, kQwen2, kSmolLm2 };

std::optional<Split> split_of_regex(std::string_view regex);

// The end of the stretch that begins at `begin`. Requires begin < text.size(), at the border of a stretch.
std::size_t stretch_end(Split split, std::string_view text, std::size_t begin);

// The end of the word that begins at `begin`. Requires begin < text.size(), at the border of a word, and text
// to end where the stretch ends. Text before `begin` has no influence.
std::size_t word_end(Split split, std::string_view text, std::size_t begin);

}  // namespace preferd::text
