// What a result says about where its text comes from.
#include <gtest/gtest.h>

#include <random>

#include "base/utf8.h"
#include "model/text/template/chat_template.h"

namespace preferd::text::jinja {
namespace {

std::vector<Span> spans(const std::string& source, const Bindings& variables) {
  const auto chat = ChatTemplate::compile(source, "t");
  if (!chat) return {{chat.error().what, 999}};
  RenderOptions options;
  options.limits.time = std::chrono::minutes(1);
  const auto out = chat->render(variables, options);
  return out ? out->spans : std::vector<Span>{{out.error().what, 999}};
}

const Bindings kData = {{"s", Value::string(" <|im_end|>\n", 1)},
                        {"t", Value::string("a,b", 2)},
                        {"ours", Value::string("<s>", kTemplate)}};

TEST(SourcesTest, WhatIsCopiedKeepsItsSource) {
  EXPECT_EQ(spans("[{{ ours }}{{ s }}]", kData),
            (std::vector<Span>{{"[<s>", 0}, {" <|im_end|>\n", 1}, {"]", 0}}));
  EXPECT_EQ(spans("{{ '<' + s|trim + '>' }}", kData),
            (std::vector<Span>{{"<", 0}, {"<|im_end|>", 1}, {">", 0}}));
  EXPECT_EQ(spans("{{ t.split(',')[::-1]|join('-') }}", kData),
            (std::vector<Span>{{"b", 2}, {"-", 0}, {"a", 2}}));
  EXPECT_EQ(spans("{{ t.replace(',', '+')|upper }}", kData),
            (std::vector<Span>{{"A", 2}, {"+", 0}, {"B", 2}}));
  EXPECT_EQ(spans("{{ '%s|%3s' % (t, t[0]) }}", kData),
            (std::vector<Span>{{"a,b", 2}, {"|  ", 0}, {"a", 2}}));
  EXPECT_EQ(spans("{{ t ~ s.strip() }}", kData), (std::vector<Span>{{"a,b", 2}, {"<|im_end|>", 1}}));
}

TEST(SourcesTest, AnEscapeBelongsToItsCharacter) {
  EXPECT_EQ(spans("{{ s|tojson }}", kData), (std::vector<Span>{{"\"", 0}, {" <|im_end|>\\n", 1}, {"\"", 0}}));
  EXPECT_EQ(spans("{{ [s] }}", kData), (std::vector<Span>{{"['", 0}, {" <|im_end|>\\n", 1}, {"']", 0}}));
  EXPECT_EQ(spans("{{ s|e }}", kData), (std::vector<Span>{{" &lt;|im_end|&gt;\n", 1}}));
  EXPECT_EQ(spans("x{{ y|upper }}", {{"y", Value::string("\u00df", 7)}}),
            (std::vector<Span>{{"x", 0}, {"SS", 7}}));
}

TEST(SourcesTest, KeysOfDataAreData) {
  const Value dict = Value::dict({{Value::string("k", 3), Value::string("v", 4)}});
  EXPECT_EQ(spans("{{ d|tojson }}", {{"d", dict}}),
            (std::vector<Span>{{"{\"", 0}, {"k", 3}, {"\": \"", 0}, {"v", 4}, {"\"}", 0}}));
  EXPECT_EQ(spans("{% for k in d %}{{ k }}{{ d[k] }}{{ d.k }}{% endfor %}", {{"d", dict}}),
            (std::vector<Span>{{"k", 3}, {"vv", 4}}));
}

TEST(SourcesTest, ComparisonsSeeTheText) {
  EXPECT_EQ(spans("{{ t == 'a,b' }}{{ 'a' in t }}{{ t in ['a,b'] }}{{ {'a,b': 1}[t] }}{{ [t, "
                  "'a,b']|unique|list|length }}",
                  kData),
            (std::vector<Span>{{"TrueTrueTrue11", 0}}));
}

// A template of random operations that copy text: literals are ASCII, data are characters for private use, one range a
// string, so the source of every character of the result can be read off the character.
class Operations {
 public:
  explicit Operations(unsigned seed) : random_(seed) {}

  std::string text(int depth) {
    if (depth == 0) return pick({"a", "b", "c", "'lit'", "'x, y'", "' z '"});
    const auto one = [&] { return glued({"(", text(depth - 1), ")"}); };
    switch (number(0, 15)) {
      case 0: return one() + " ~ " + one();
      case 1: return one() + " + " + one();
      case 2: return one() + "[" + bound() + ":" + bound() + "]";
      case 3: return one() + "[::-1]";
      case 4: return one() + ".split(" + one() + "[:1] or 'q')|join(" + one() + ")";
      case 5: return one() + "|replace(" + one() + "[:2], " + one() + ")";
      case 6: return one() + "|trim";
      case 7: return one() + "|indent(" + std::to_string(number(0, 3)) + ", true)";
      case 8: return one() + "|center(" + std::to_string(number(0, 40)) + ")";
      case 9: return glued({"'%s/%5.3s' % (", one(), ", ", one(), ")"});
      case 10: return glued({"'{0}-{1:>9}{0[0]}'.format(", one(), " ~ '.', ", one(), ")"});
      case 11: return glued({"[", one(), ", {'k': ", one(), "}]|tojson(indent=1)"});
      case 12: return one() + "|list|" + pick({"reverse", "sort", "unique"}) + "|join";
      case 13: return one() + "|" + pick({"upper", "title", "capitalize", "e", "string", "reverse", "lower"});
      case 14: return one() + ".partition(" + one() + "[1:2] or 'q')|join(',')";
      default: return glued({"{'x': ", one(), ", 'y': 1}.items()|map('last')|map('string')|join(';')"});
    }
  }

  std::string body() {
    const std::string value = text(number(1, 3));
    switch (number(0, 4)) {
      case 0: return "{% for x in (" + value + ")|list %}{{ x }},{% endfor %}";
      case 1: return "{% set x %}<{{ " + value + " }}>{% endset %}{{ x|upper }}";
      case 2:
        return "{% macro m(v) %}[{{ v }}{{ caller() }}]{% endmacro %}{% call m(" + value +
               ") %}{{ a }}{% endcall %}";
      case 3: return "{% filter trim|replace('l', b) %} {{ " + value + " }} {% endfilter %}";
      default: return "{{ " + value + " }}";
    }
  }

 private:
  static std::string glued(std::initializer_list<std::string> parts) {
    std::string out;
    for (const std::string& part : parts) out += part;
    return out;
  }
  int number(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }
  std::string pick(const std::vector<std::string>& options) {
    return options[static_cast<std::size_t>(number(0, static_cast<int>(options.size()) - 1))];
  }
  std::string bound() { return number(0, 2) == 0 ? "" : std::to_string(number(-5, 5)); }

  std::mt19937 random_;
};

std::string private_text(Source source, int size) {
  std::string out;
  for (int i = 0; i < size; ++i) utf8::append(out, 0xE000 + source * 0x100 + static_cast<char32_t>(i % 7));
  return out;
}

TEST(SourcesTest, EveryCharacterOfRandomTemplatesSaysWhereItComesFrom) {
  const Bindings data = {{"a", Value::string(private_text(1, 9), 1)},
                         {"b", Value::string(private_text(2, 1), 2)},
                         {"c", Value::string(private_text(3, 20), 3)}};
  std::size_t characters = 0, refused = 0;
  for (unsigned seed = 0; seed < 3000; ++seed) {
    const std::string source = Operations(seed).body();
    SCOPED_TRACE(source);
    const auto chat = ChatTemplate::compile(source, "t");
    ASSERT_TRUE(chat) << chat.error().what;
    RenderOptions options;
    options.limits.time = std::chrono::minutes(1);
    const auto out = chat->render(data, options);
    refused += out ? 0 : 1;
    if (!out) continue;
    for (const Span& span : out->spans)
      for (std::size_t at = 0; at < span.text.size(); ++characters) {
        const char32_t c = utf8::next(span.text, at);
        ASSERT_EQ(span.source, c < 0xE000 ? kTemplate : (c - 0xE000) / 0x100);
      }
  }
  EXPECT_GT(characters, 30'000u);
  EXPECT_LT(refused, 600u);
}

// The same templates over data of other characters: where no operation looks at the text, the spans are the same.
TEST(SourcesTest, SourcesDoNotDependOnTheText) {
  const auto data = [](const std::string& a, const std::string& b, const std::string& c) {
    return Bindings{{"a", Value::string(a, 1)}, {"b", Value::string(b, 2)}, {"c", Value::string(c, 3)}};
  };
  const std::string source =
      "<{{ a[1:] ~ b * 2 ~ c[::-1] }}>{% for x in c %}{{ x }}{{ loop.index }}{% endfor %}{{ '%s.%4s' % (b, "
      "a) }}";
  const auto real = spans(source, data("<|im_end|>", "ü", "{{ x }}")),
             twin = spans(source, data(private_text(1, 10), private_text(2, 1), private_text(3, 7)));
  ASSERT_EQ(real.size(), twin.size());
  for (std::size_t i = 0; i < real.size(); ++i) {
    EXPECT_EQ(real[i].source, twin[i].source);
    EXPECT_EQ(utf8::length(real[i].text), utf8::length(twin[i].text));
  }
}

}  // namespace
}  // namespace preferd::text::jinja
