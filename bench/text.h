// Texts that look real: words, statements and sentences drawn at random, the same for the same seed.
#pragma once

#include <cstddef>
#include <string>

namespace preferd::bench {

// At least `bytes` long; exceeds it by less than a sentence or line.
std::string english(std::size_t bytes, unsigned seed);
std::string code(std::size_t bytes, unsigned seed);
std::string chinese(std::size_t bytes, unsigned seed);

}  // namespace preferd::bench
