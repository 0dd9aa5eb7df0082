// Templates that try to take the stack, the memory or the time.
#include <gtest/gtest.h>

#include "model/text/template/chat_template.h"

namespace preferd::text::jinja {
namespace {

std::string repeated(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

Error refusal(const std::string& source, const Limits& limits = {}) {
  const auto chat = ChatTemplate::compile(source, "t");
  if (!chat) return chat.error();
  RenderOptions options;
  options.limits = limits;
  options.limits.time = std::chrono::minutes(1);
  const auto out = chat->render({}, options);
  if (!out) return out.error();
  ADD_FAILURE() << source.substr(0, 100) << " gives " << out->text().substr(0, 100);
  return {};
}

TEST(HostileTest, NestingInTheSourceIsBounded) {
  constexpr int kMany = 100'000;
  for (const std::string open :
       {"(", "[", "{", "{1: ", "-", "not ", "f(", "x if ", "1 ** ", "x[", "x is eq ("})
    EXPECT_EQ(refusal("{{ " + repeated(open, kMany)).code, Code::kInvalid) << open;
  for (const std::string tag : {"{% if 1 %}", "{% for x in y %}", "{% macro m() %}", "{% filter upper %}",
                                "{% with %}", "{% set x %}", "{% generation %}", "{% call m() %}"})
    EXPECT_EQ(refusal(repeated(tag, kMany)).code, Code::kInvalid) << tag;
  for (const std::string more : {"+ 1 ", ".a", "[0]", "()", "|trim", " and 1", "* 1"})
    EXPECT_FALSE(refusal("{{ 1 " + repeated(more, kMany) + "}}").what.empty()) << more;
  EXPECT_EQ(refusal("{# " + std::string(900'000, '-')).code, Code::kInvalid);
  EXPECT_EQ(refusal(std::string(2'000'000, 'a')).code, Code::kInvalid);
}

TEST(HostileTest, NestingInEvaluationIsBounded) {
  EXPECT_EQ(refusal("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").code, Code::kTooLarge);
  EXPECT_EQ(
      refusal("{% macro m() %}{{ caller is defined }}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}")
          .code,
      Code::kTooLarge);
  const std::string grows = "{% set ns = namespace(x=1) %}{% for i in range(100000) %}{% set ns.x = ";
  for (const std::string how : {"[ns.x]", "(ns.x,)", "{1: ns.x}", "[ns.x]|map('first')", "[ns.x]|select",
                                "[ns.x]|batch(2)", "{1: ns.x}.items()", "cycler(ns.x)", "[ns.x].index"})
    EXPECT_EQ(refusal(grows + how + " %}{% endfor %}").code, Code::kTooLarge) << how;
}

TEST(HostileTest, CyclesEndWithTheRendering) {
  EXPECT_FALSE(refusal("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}").what.empty());
  EXPECT_FALSE(refusal("{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a }}").what.empty());
  const auto chat = ChatTemplate::compile(
      "{% set ns = namespace() %}{% for x in [ns] %}{% set ns.l = loop %}{{ loop.changed(loop) }}"
      "{% macro m() %}{{ m }}{% endmacro %}{% set ns.m = m %}{% endfor %}{{ ns.m }}",
      "t");
  ASSERT_TRUE(chat);
  EXPECT_EQ(chat->render({})->text(), "True<Macro 'm'>");
}

TEST(HostileTest, SizesAreBounded) {
  const std::string doubles = "{% set ns = namespace(x='a') %}{% for i in range(60) %}{% set ns.x = ";
  for (const std::string how :
       {"ns.x + ns.x", "ns.x ~ ns.x", "ns.x * 2", "ns.x.replace('a', 'aa')", "(ns.x, ns.x)|join",
        "[ns.x, ns.x]|string", "'%s%s' % (ns.x, ns.x)", "'{0}{0}'.format(ns.x)"})
    EXPECT_EQ(refusal(doubles + how + " %}{% endfor %}").code, Code::kTooLarge) << how;
  for (const std::string one :
       {"'a' * 99999999999", "[1] * 99999999999", "'a'.ljust(99999999999)", "'a'|center(99999999999)",
        "'a'.zfill(99999999999)", "'%99999999d' % 1", "'{:99999999}'.format(1)",
        "'a\\nb'|indent(99999999999)", "[1]|tojson(indent=99999999999)", "[1]|batch(99999999999, 0)|list",
        "range(100001)", "range(99999999999)", "('a' * 1000000).replace('', 'bbb')"})
    EXPECT_EQ(refusal("{{ " + one + " }}").code, Code::kTooLarge) << one;
  EXPECT_EQ(refusal("{% for i in range(100000) %}0123456789012345{% endfor %}").code, Code::kTooLarge);
  Limits small;
  small.output = 10;
  EXPECT_EQ(refusal("0123456789a", small).what, "t, line 1: the result has 11 bytes, the limit is 10");
}

TEST(HostileTest, StepsAreBounded) {
  Limits few;
  few.steps = 100'000;
  const std::string loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
  EXPECT_EQ(refusal(loops, few).what, "t, line 1: the template takes more than 100000 steps");
  EXPECT_EQ(refusal("{% set s = 'a' * 60000 %}{{ s.find('b') }}{{ s.count('ab') }}", few).code,
            Code::kTooLarge);
  EXPECT_EQ(refusal("{{ range(99999)|select('odd')|list }}", few).code, Code::kTooLarge);
  EXPECT_EQ(refusal("{{ range(9999)|map('string')|unique|list }}", few).code, Code::kTooLarge);
}

TEST(HostileTest, TimeIsBounded) {
  const auto chat = ChatTemplate::compile("{% for a in range(99999) %}{{ 'x' if a < 0 }}{% endfor %}", "t");
  ASSERT_TRUE(chat);
  RenderOptions options;
  options.limits.time = std::chrono::milliseconds(0);
  EXPECT_EQ(chat->render({}, options).error().code, Code::kDeadline);
}

TEST(HostileTest, SearchesAreLinear) {
  Limits limits;
  limits.steps = 8'000'000;
  const auto chat = ChatTemplate::compile(
      "{% set s = 'a' * 500000 %}{{ s.find('a' * 250000 ~ 'b') }}{{ s.rfind('b' ~ 'a' * 250000) }}", "t");
  ASSERT_TRUE(chat);
  RenderOptions options{limits, {}};
  options.limits.time = std::chrono::minutes(1);
  const auto out = chat->render({}, options);
  EXPECT_EQ(out ? out->text() : out.error().what, "-1-1");
}

TEST(HostileTest, TheSandboxHidesWhatPythonHas) {
  for (const std::string one : {"''.__class__.mro()", "[].append(1)", "{}.update({})", "[].__init__()",
                                "x.__class__.y", "''['__class__'].y", "''|attr('__class__')|attr('y')",
                                "'{0.__class__.y}'.format(1)", "range.__globals__.x", "d._x.y"})
    EXPECT_EQ(refusal("{% set x = namespace() %}{% set d = {} %}{{ " + one + " }}").code, Code::kInvalid)
        << one;
}

}  // namespace
}  // namespace preferd::text::jinja
