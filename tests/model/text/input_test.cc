#include "model/text/input.h"

#include "tests/model/text/fixtures.h"
#include "tests/model/text/spec_json.h"

namespace preferd::text {
namespace {

using namespace testing_text;

Result<std::shared_ptr<const InputBuilder>> builder(const std::string& directory, const Json& input,
                                                    const Json& chat_template = nullptr) {
  static std::map<std::string, Result<std::shared_ptr<const Tokenizer>>> loaded;
  const auto& tokenizer = loaded.contains(directory)
                              ? loaded.at(directory)
                              : loaded.emplace(directory, load(directory)).first->second;
  if (!tokenizer) return tokenizer.error();
  std::map<std::string, std::string> files;
  if (!chat_template.is_null()) files["chat_template.jinja"] = chat_template.get<std::string>();
  return InputBuilder::create(read_input_spec(input), *tokenizer, MemoryFiles(files));
}

class EveryInput : public testing::TestWithParam<std::string> {};

TEST_P(EveryInput, BecomesWhatTheReferenceMakesOfIt) {
  int truncated = 0;
  for (const Json& c : lines(GetParam(), "inputs.jsonl.gz")) {
    const auto made = builder(GetParam(), c["input"], c["chat_template"]);
    if (c.contains("refused")) {
      EXPECT_FALSE(made) << c.dump();
      continue;
    }
    ASSERT_TRUE(made) << made.error().what << c.dump();
    const Result<Inputs> got = (*made)->build({c["prompt"], c["response_a"], c["response_b"]});
    ASSERT_EQ(static_cast<bool>(got), !c["want"].is_null()) << c.dump();
    if (!got) continue;
    EXPECT_EQ(inputs_json(*got), c["want"]) << c.dump();
    truncated += c["want"]["truncated"].empty() ? 0 : 1;
  }
  EXPECT_GT(truncated, 10);
}

INSTANTIATE_TEST_SUITE_P(All, EveryInput, testing::ValuesIn(kDirectories),
                         [](const auto& directory) { return directory.param; });

Json pair_input() {
  return {{"layout", "pair"},
          {"template", {{{"field", "prompt"}}, {{"text", "\n"}}, {{"field", "response_a"}}}},
          {"max_tokens", 16}};
}

struct BadInput {
  const char* name;
  const char* directory;
  const char* pointer;
  const char* value;
  const char* names;
};
class ImpossibleInput : public testing::TestWithParam<BadInput> {};

TEST_P(ImpossibleInput, IsRefusedWhenItIsMade) {
  Json input = pair_input();
  input[Json::json_pointer(GetParam().pointer)] = Json::parse(GetParam().value);
  const auto made = builder(GetParam().directory, input);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().what.find(GetParam().names), std::string::npos) << made.error().what;
}

INSTANTIATE_TEST_SUITE_P(
    All, ImpossibleInput,
    testing::Values(
        BadInput{"no_bos", "qwen2", "/add_bos", "true", "add_bos"},
        BadInput{"strange_field", "qwen2", "/template/0/field", R"("response")", "'response'"},
        BadInput{"field_of_other_layout", "qwen2", "/layout", R"("per_response")", "'response_a'"},
        BadInput{"no_chat", "llama2", "/chat", "{}", "chat"},
        BadInput{"no_room", "qwen2", "/max_tokens", "0", "max_tokens"},
        BadInput{"share", "qwen2", "/truncation", R"({"mode": "ratio", "prompt": 1.5})", "shares"},
        BadInput{"head", "qwen2", "/truncation", R"({"mode": "ratio", "head": -1})", "shares"},
        BadInput{"wrapper", "gemma2", "/chat", R"({"system": "a b c d e f g h i j k l"})", "wrapper"}),
    [](const auto& bad) { return bad.param.name; });

TEST(Input, RefusesATemplateLongerThanItsLimit) {
  Json input = pair_input();
  input["template"][1]["text"] = "one two three four five six seven eight nine ten eleven twelve thirteen";
  EXPECT_TRUE(builder("qwen2", input));
  input["truncation"] = {{"mode", "ratio"}};
  const auto made = builder("qwen2", input);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().what.find("without any text"), std::string::npos) << made.error().what;
}

TEST(Input, RunsChatTemplatesOfAnyForm) {
  Json input = pair_input();
  input["max_tokens"] = 100;
  const auto plain = builder("qwen2", input);
  input["chat"] = Json::object();
  const auto written = builder("qwen2", input);
  const auto bare = builder("qwen2", input, "{{ messages[0]['content'] }}");
  const auto same =
      builder("qwen2", input, "{{ '<|im_start|>user\\n' + messages[0].content + '<|im_end|>\\n' }}");
  const auto trims =
      builder("qwen2", input, "{{ '<|im_start|>user\\n' + messages[0].content | trim + '<|im_end|>\\n' }}");
  ASSERT_TRUE(plain && written && bare && same && trims);
  const Pair pair{" Why?", "Because.", "So."};
  EXPECT_EQ((*bare)->build(pair)->sequences, (*plain)->build(pair)->sequences);
  EXPECT_EQ((*same)->build(pair)->sequences, (*written)->build(pair)->sequences);
  EXPECT_NE((*trims)->build(pair)->sequences, (*written)->build(pair)->sequences);
}

TEST(Input, RefusesChatTemplatesThatCannotRun) {
  Json input = pair_input();
  input["max_tokens"] = 100;
  input["chat"] = Json::object();
  const auto unknown = builder("llama3", input, "{{ messages[0]['content'] | nosuch }}");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().what.find("nosuch"), std::string::npos);
  const auto refuses = builder("llama3", input, "{{ raise_exception('only for tools') }}");
  ASSERT_FALSE(refuses);
  EXPECT_NE(refuses.error().what.find("only for tools"), std::string::npos);
}

TEST(Input, PutsTheSystemTextBeforeTheContentWhereATemplateRefusesASystemTurn) {
  Json input = pair_input();
  input["max_tokens"] = 100;
  input["chat"] = {{"system", "You judge."}};
  const std::string turn = "{{ '<|im_start|>user\\n' + messages[0].content + '<|im_end|>\\n' }}";
  const auto refuses = builder(
      "qwen2", input, "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + turn);
  ASSERT_TRUE(refuses) << refuses.error().what;
  input["chat"] = Json::object();
  input["template"].insert(input["template"].begin(), Json{{"text", "You judge.\n\n"}});
  const auto before = builder("qwen2", input, turn);
  ASSERT_TRUE(before);
  const Pair pair{"Why?", "Because.", ""};
  EXPECT_EQ((*refuses)->build(pair)->sequences, (*before)->build(pair)->sequences);
}

TEST(Input, TakesTheDefaultSystemTurnFromTheTemplate) {
  Json input = pair_input();
  input["max_tokens"] = 200;
  input["chat"] = Json::object();
  const std::string rest =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor "
      "%}";
  const auto without = builder("qwen2", input, rest);
  const auto with =
      builder("qwen2", input, "{{ \"<|im_start|>system\\nYou're a judge.<|im_end|>\\n\" }}" + rest);
  input["chat"]["system"] = "You're a judge.";
  const auto given = builder("qwen2", input, rest);
  ASSERT_TRUE(without && with && given);
  const Pair pair{"Why?", "Because.", ""};
  EXPECT_EQ((*with)->build(pair)->sequences, (*given)->build(pair)->sequences);
  EXPECT_NE((*with)->build(pair)->sequences, (*without)->build(pair)->sequences);
}

TEST(Input, CountsAFieldThatIsNamedTwiceInBothPlaces) {
  Json input = pair_input();
  input["template"][2]["field"] = "prompt";
  const auto made = builder("smollm2", input);
  ASSERT_TRUE(made);
  const auto inputs = (*made)->build({"1234", "unused", ""});
  ASSERT_TRUE(inputs);
  EXPECT_EQ(inputs->tokens.prompt, 8);
  EXPECT_EQ(inputs->tokens.response_a, 0);
}

TEST(Input, SwappedResponsesSwapTheSequences) {
  Json input = {{"layout", "per_response"},
                {"template", {{{"field", "prompt"}}, {{"text", " => "}}, {{"field", "response"}}}},
                {"max_tokens", 24}};
  const auto made = builder("gemma2", input);
  ASSERT_TRUE(made);
  const std::string a = "A rather long answer that will have to lose its end somewhere, surely.",
                    b = "Short.";
  const auto there = (*made)->build({"Why?", a, b}), back = (*made)->build({"Why?", b, a});
  ASSERT_TRUE(there && back);
  EXPECT_EQ(there->sequences[0], back->sequences[1]);
  EXPECT_EQ(there->sequences[1], back->sequences[0]);
  EXPECT_EQ(there->truncated[1].tokens, back->truncated[2].tokens);
  EXPECT_GT(there->truncated[1].tokens, 0);
}

}  // namespace
}  // namespace preferd::text
