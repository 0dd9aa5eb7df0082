// Bytes per second of the embedded package's tokenizer, beside a copy of the same bytes.
#include "bench/beside.h"
#include "bench/text.h"
#include "model/default/default_package.h"
#include "model/text/tokenizer.h"

namespace preferd::bench {
namespace {

const text::Tokenizer& tokenizer() {
  static const auto loaded = [] {
    const auto package = embedded::default_package();
    PREFERD_CHECK(package);
    const auto base = (*package)->folder("base");
    PREFERD_CHECK(base);
    auto result = text::load_tokenizer(**base);
    PREFERD_CHECK(result);
    return *result;
  }();
  return *loaded;
}

void encode(benchmark::State& state, const std::string& text) {
  std::vector<text::Token> tokens;
  const auto run = [&] {
    tokens.clear();
    tokenizer().encode(text, text::Before::kNothing, tokens);
    benchmark::DoNotOptimize(tokens.data());
  };
  beside(state, 1, {run, static_cast<double>(text.size())}, copy(text.size()), "B/s; memcpy of the text");
}

void tokenizer_english(benchmark::State& state) { encode(state, english(8 << 10, 1)); }
void tokenizer_code(benchmark::State& state) { encode(state, code(8 << 10, 1)); }
void tokenizer_chinese(benchmark::State& state) { encode(state, chinese(8 << 10, 1)); }

// The worst case of pair merging: one word of a megabyte, letters at random.
void tokenizer_one_word(benchmark::State& state) {
  std::string word;
  for (const float value : random_floats(1 << 20, 1))
    word += static_cast<char>('a' + static_cast<int>(value * 1000.0f + 1e6f) % 26);
  encode(state, word);
}

BENCHMARK(tokenizer_english)->Apply([](auto* b) { in_rounds(b); });
BENCHMARK(tokenizer_code)->Apply([](auto* b) { in_rounds(b); });
BENCHMARK(tokenizer_chinese)->Apply([](auto* b) { in_rounds(b); });
BENCHMARK(tokenizer_one_word)->Apply([](auto* b) { in_rounds(b, 3); });

}  // namespace
}  // namespace preferd::bench
