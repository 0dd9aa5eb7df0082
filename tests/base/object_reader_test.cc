#include "base/object_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/schema_text.h"
#include "base/toml.h"

namespace preferd {
namespace {

using testing::HasSubstr;

enum class Form { kDense, kNf4 };
constexpr auto words(Form) { return word_list<Form>({{"dense", Form::kDense}, {"nf4", Form::kNf4}}); }

struct Part {
  std::string name;
  int size = 1;
};

struct Thing {
  std::string title = "t";
  std::optional<std::string> note;
  std::vector<std::string> tags;
  std::uint64_t seed = 7;
  std::int8_t small = 0;
  double share = 0.5, any = 0;
  bool open = false;
  Form form = Form::kDense;
  std::optional<Form> wanted = Form::kNf4, asked;
  Json rest;
  std::string shout;
  double inner = 0;
  std::vector<Part> parts;
};

void describe(Schema& s, Thing& t) {
  s.text("title", t.title, "a text", {.required = true});
  s.text("note", t.note, "a text or none");
  s.texts("tags", t.tags, "texts");
  s.integer("seed", t.seed, 1, UINT64_MAX, "large");
  s.integer("small", t.small, -128, 127, "small");
  s.real("share", t.share, 0, 1, "a share");
  s.real("any", t.any, "any number");
  s.toggle("open", t.open, "open or not");
  s.choice("form", t.form, "how it is stored");
  s.choice("wanted", t.wanted, "as-found", "how it should be", {Form::kNf4});
  s.choice("asked", t.asked, "how somebody asked");
  s.object("rest", t.rest, "of another contract");
  s.other("shout", "upper case", "loud", [&t](const Json& v, const std::string& path) -> Status {
    if (v != "LOUD") return invalid(path + ": not loud");
    t.shout = "LOUD";
    return Ok{};
  });
  s.section("sub", "inside", [&](Schema& sub) { sub.real("inner", t.inner, 0, 9, "a number"); });
  s.tables(
      "parts", "name", "any number of them", t.parts.size(), [&](std::size_t n) { t.parts.resize(n); },
      [&](Schema& part, std::size_t i) {
        part.text("name", t.parts[i].name, "its name");
        part.integer("size", t.parts[i].size, 1, 9, "its size");
      });
}

Result<Thing> read(const std::string& text, const ReaderVoice& voice = {}) {
  const Json json = *parse_json(text);
  Thing thing;
  ReadFaults faults;
  ObjectReader reader(json, "thing", voice, faults);
  describe(reader, thing);
  reader.close();
  if (const Status s = faults.status(); !s) return s.error();
  return thing;
}

std::string refusal(const std::string& more) {
  const auto read_it = read(R"({"title": "x", )" + more + "}");
  return read_it ? "" : read_it.error().what;
}

TEST(ObjectReader, ReadsEveryKindOfField) {
  const auto t = read(
      R"({"title": "x", "note": "n", "tags": ["a", "b"], "seed": 18446744073709551615, "small": -128, "share": 1,
          "any": -3.5, "open": true, "form": "nf4", "wanted": "as-found", "asked": "dense", "rest": {"k": [1]},
          "shout": "LOUD", "sub": {"inner": 2}, "parts": [{"name": "p", "size": 3}, "q"]})");
  ASSERT_TRUE(t) << t.error().what;
  EXPECT_EQ(t->title + *t->note + t->tags[1] + t->shout, "xnbLOUD");
  EXPECT_EQ(t->seed, UINT64_MAX);
  EXPECT_EQ(t->small, -128);
  EXPECT_EQ(t->share + t->any + t->inner, 1 - 3.5 + 2);
  EXPECT_TRUE(t->open);
  EXPECT_EQ(t->form, Form::kNf4);
  EXPECT_EQ(t->wanted, std::nullopt);
  EXPECT_EQ(t->asked, Form::kDense);
  EXPECT_EQ(t->rest, (Json{{"k", {1}}}));
  ASSERT_EQ(t->parts.size(), 2u);
  EXPECT_EQ(t->parts[0].size, 3);
  EXPECT_EQ(t->parts[1].name, "q");
}

TEST(ObjectReader, LeavesWhatIsAbsentAsItWas) {
  const auto t = read(R"({"title": "x"})");
  ASSERT_TRUE(t) << t.error().what;
  EXPECT_EQ(t->seed, 7u);
  EXPECT_EQ(t->wanted, Form::kNf4);
  EXPECT_EQ(t->asked, std::nullopt);
  EXPECT_EQ(t->note, std::nullopt);
}

TEST(ObjectReader, NamesWhatWasFoundAndExpected) {
  EXPECT_EQ(refusal(R"("tags": ["a", 1])"), "thing.tags is an array, expected an array of strings");
  EXPECT_EQ(refusal(R"("seed": 0)"), "thing.seed is 0, expected an integer from 1 to 18446744073709551615");
  EXPECT_EQ(refusal(R"("seed": -1)").substr(0, 16), "thing.seed is -1");
  EXPECT_EQ(refusal(R"("small": 128)"), "thing.small is 128, expected an integer from -128 to 127");
  EXPECT_EQ(refusal(R"("small": 1.0)"), "thing.small is 1.0, expected an integer from -128 to 127");
  EXPECT_EQ(refusal(R"("share": 1.5)"), "thing.share is 1.5, expected a number from 0 to 1");
  EXPECT_EQ(refusal(R"("share": -0.5)"), "thing.share is -0.5, expected a number from 0 to 1");
  EXPECT_EQ(refusal(R"("any": "1")"), "thing.any is '1', expected a number");
  EXPECT_EQ(refusal(R"("open": 1)"), "thing.open is 1, expected true or false");
  EXPECT_EQ(refusal(R"("form": "fp4")"), "thing.form is 'fp4', expected one of dense, nf4");
  EXPECT_EQ(refusal(R"("wanted": "dense")"), "thing.wanted is 'dense', expected one of as-found, nf4");
  EXPECT_EQ(refusal(R"("rest": [])"), "thing.rest is an array, expected an object");
  EXPECT_EQ(refusal(R"("shout": "x")"), "thing.shout: not loud");
  EXPECT_EQ(refusal(R"("note": null)"), "thing.note is null, expected a string");
  EXPECT_EQ(refusal(R"("sub": 1)"), "thing.sub is 1, expected an object");
  EXPECT_EQ(refusal(R"("parts": [{"size": 0}])"),
            "thing.parts[0].size is 0, expected an integer from 1 to 9");
  EXPECT_EQ(read("[]").error().what, "thing is an array, expected an object");
}

TEST(ObjectReader, AnUnknownKeyComesBeforeAMissingOneAndBehindAWrongValue) {
  EXPECT_EQ(read("{}").error().what, "thing.title is missing");
  EXPECT_EQ(read(R"({"titel": "x"})").error().what, "unknown key thing.titel");
  EXPECT_EQ(refusal(R"("sub": {"iner": 1})"), "unknown key thing.sub.iner");
  EXPECT_EQ(refusal(R"("parts": [{"nam": ""}])"), "unknown key thing.parts[0].nam");
  EXPECT_EQ(refusal(R"("open": 1, "zzz": 1)"), "thing.open is 1, expected true or false");
}

TEST(ObjectReader, AVoiceSaysWhatNullAndStrangeKeysAre) {
  class Loose : public ReaderVoice {
   public:
    Loose() {
      null = Null::kAbsent;
      keys = Keys::kOpen;
      wording = {.words = "", .between = "|"};
    }
    Error failed(const std::string& what) const override { return invalid("FILE: " + what); }
  };
  EXPECT_TRUE(read(R"({"title": "x", "note": null, "zzz": 1, "sub": {"zzz": 1}})", Loose()));
  EXPECT_EQ(read(R"({"title": null})", Loose()).error().what, "FILE: thing.title is missing");
  EXPECT_EQ(read(R"({"title": "", "form": 1})", Loose()).error().what,
            "FILE: thing.form is 1, expected dense|nf4");
}

TEST(SchemaText, WhatIsPrintedIsReadBack) {
  Thing thing;
  thing.title = "two\nlines \"quoted\" \x7f";
  thing.tags = {"", "a"};
  thing.any = 1e-300;
  thing.form = Form::kNf4;
  thing.parts = {{"p", 2}, {"q", 9}};
  const auto print = [](Thing& t) { return toml_text([&](Schema& s) { describe(s, t); }); };
  const auto json = parse_toml(print(thing), "printed");
  ASSERT_TRUE(json) << json.error().what;
  const auto back = read(json->dump());
  ASSERT_TRUE(back) << back.error().what << print(thing);
  Thing again = *back;
  EXPECT_EQ(print(again), print(thing));
  EXPECT_EQ(again.title, thing.title);
  EXPECT_EQ(again.any, 1e-300);
  EXPECT_EQ(again.parts[1].size, 9);
}

TEST(SchemaText, HelpHasWordsAndAnExampleOfATable) {
  Thing thing;
  const std::string help = toml_help([&](Schema& s) { describe(s, thing); });
  EXPECT_THAT(help, HasSubstr("form = \"dense\"                      # dense|nf4: how it is stored\n"));
  EXPECT_THAT(help, HasSubstr("\n[sub]  # inside\ninner = 0.0"));
  EXPECT_THAT(help, HasSubstr("\n[[parts]]  # any number of them\nname = \"\""));
  EXPECT_TRUE(thing.parts.empty());
}

TEST(Toml, NamesTheLineThatIsWrong) {
  EXPECT_THAT(parse_toml("a = 1\nb = = 2\n", "x.toml").error().what, HasSubstr("x.toml:2: "));
  EXPECT_EQ((*parse_toml("when = 2020-01-02\n", "x.toml"))["when"], "2020-01-02");
}

}  // namespace
}  // namespace preferd
