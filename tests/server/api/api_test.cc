#include "server/api/api.h"

#include <gtest/gtest.h>

#include "server/api/render.h"
#include "server/http/http_error.h"

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

Json json(const std::string& text) { return *parse_json(text); }

std::string pair_with(const std::string& more) {
  return R"({"prompt":"p","response_a":"a","response_b":"b")" + more + "}";
}

TEST(ParsePair, ReadsEveryKey) {
  const auto r = parse_pair(json(
      R"({"prompt":[{"role":"user","content":"p"}],"response_a":"","response_b":"b\u0000c","id":"\u00e9","adapter":"x",)"
      R"("swap":"average","truncate":"error","timeout_ms":5,"return":["logits","timing"]})"));
  ASSERT_TRUE(r) << r.error().what;
  EXPECT_EQ(r->ask.pair.prompt, "p");
  EXPECT_EQ(r->ask.pair.response_b.size(), 3u);
  EXPECT_EQ(r->ask.adapter, "x");
  EXPECT_EQ(r->ask.swap, scorer::Swap::kAverage);
  EXPECT_EQ(r->ask.overflow, scorer::Overflow::kError);
  EXPECT_EQ(r->id, "\xC3\xA9");
  EXPECT_EQ(r->timeout, 5ms);
  EXPECT_TRUE(r->wanted.logits && r->wanted.timing && !r->wanted.features);
}

TEST(ParsePair, TakesDevelopersAndTextParts) {
  const auto r = parse_pair(json(
      R"({"prompt":[{"role":"developer","content":"s"},{"role":"user","content":[{"type":"text","text":"u"},)"
      R"({"type":"text","text":"v"}]}],"response_a":"a","response_b":"b"})"));
  ASSERT_TRUE(r) << r.error().what;
  EXPECT_EQ(r->ask.pair.prompt, "System: s\n\nHuman: uv");
  ASSERT_EQ(r->ask.pair.turns.size(), 2u);
  EXPECT_EQ(r->ask.pair.turns[0].role, "system");
}

struct Bad {
  const char* name;
  std::string body, param;
};
class ParsePairRefuses : public testing::TestWithParam<Bad> {};

TEST_P(ParsePairRefuses, AndNamesTheParam) {
  const auto r = parse_pair(json(GetParam().body));
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kInvalid);
  EXPECT_EQ(r.error().param, GetParam().param);
  EXPECT_EQ(r.error().what.find("secret"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, ParsePairRefuses,
    testing::Values(
        Bad{"list", "[]", ""}, Bad{"no_prompt", R"({"response_a":"a","response_b":"b"})", "prompt"},
        Bad{"no_response", R"({"prompt":"a","response_b":"b"})", "response_a"},
        Bad{"null_response", R"({"prompt":"p","response_a":"a","response_b":null})", "response_b"},
        Bad{"list_response", R"({"prompt":"p","response_a":["secret"],"response_b":"b"})", "response_a"},
        Bad{"unknown", pair_with(R"(,"secret_key":1)"), "secret_key"},
        Bad{"turn_role_of_files",
            R"({"prompt":[{"role":"human","content":""}],"response_a":"a","response_b":"b"})",
            "prompt[0].role"},
        Bad{"turn_part",
            R"({"prompt":[{"role":"user","content":[{"type":"image_url"}]}],"response_a":"a","response_b":"b"})",
            "prompt[0].content[0].type"},
        Bad{"turn_role", R"({"prompt":[{"role":"secret","content":""}],"response_a":"a","response_b":"b"})",
            "prompt[0].role"},
        Bad{"swap", pair_with(R"(,"swap":"secret")"), "swap"},
        Bad{"swap_null", pair_with(R"(,"swap":null)"), "swap"},
        Bad{"truncate", pair_with(R"(,"truncate":true)"), "truncate"},
        Bad{"timeout_zero", pair_with(R"(,"timeout_ms":0)"), "timeout_ms"},
        Bad{"timeout_negative", pair_with(R"(,"timeout_ms":-5)"), "timeout_ms"},
        Bad{"timeout_fraction", pair_with(R"(,"timeout_ms":1.5)"), "timeout_ms"},
        Bad{"timeout_huge", pair_with(R"(,"timeout_ms":18446744073709551615)"), "timeout_ms"},
        Bad{"timeout_text", pair_with(R"(,"timeout_ms":"5")"), "timeout_ms"},
        Bad{"id_number", pair_with(R"(,"id":5)"), "id"}, Bad{"id_null", pair_with(R"(,"id":null)"), "id"},
        Bad{"adapter_empty", pair_with(R"(,"adapter":"")"), "adapter"},
        Bad{"return_text", pair_with(R"(,"return":"logits")"), "return"},
        Bad{"return_word", pair_with(R"(,"return":["logits","secret"])"), "return[1]"}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(ParseBatch, LetsItemsOverrideDefaultsAndKeepsBadOnes) {
  const auto r = parse_batch(
      json(R"({"prompt":"shared","swap":"average","timeout_ms":9,"return":["logits"],"items":[)"
           R"({"response_a":"a","response_b":"b"},)"
           R"({"prompt":"own","response_a":"a","response_b":"b","swap":"none","timeout_ms":3,"return":[]},)"
           R"({"id":"bad","response_a":1,"response_b":"b"},7,{"id":4}]})"),
      {});
  ASSERT_TRUE(r) << r.error().what;
  ASSERT_EQ(r->items.size(), 5u);
  const auto& first = std::get<PairRequest>(r->items[0]);
  EXPECT_TRUE(first.shared_prompt);
  EXPECT_EQ(r->prompt.text, "shared");
  EXPECT_EQ(first.ask.swap, scorer::Swap::kAverage);
  EXPECT_TRUE(first.wanted.logits);
  const auto& second = std::get<PairRequest>(r->items[1]);
  EXPECT_FALSE(second.shared_prompt);
  EXPECT_EQ(second.ask.pair.prompt, "own");
  EXPECT_EQ(second.ask.swap, scorer::Swap::kNone);
  EXPECT_EQ(second.timeout, 3ms);
  EXPECT_FALSE(second.wanted.logits);
  const auto& third = std::get<ItemError>(r->items[2]);
  EXPECT_EQ(third.id, "bad");
  EXPECT_EQ(third.error.param, "items[2].response_a");
  EXPECT_EQ(std::get<ItemError>(r->items[3]).error.param, "items[3]");
  EXPECT_FALSE(std::get<ItemError>(r->items[4]).id);
}

TEST(ParseBatch, FailsTheCallForWhatIsTheCallsOwn) {
  EXPECT_EQ(parse_batch(json(R"({"items":[],"swop":1})"), {}).error().param, "swop");
  EXPECT_EQ(parse_batch(json(R"({"items":[],"swap":1})"), {}).error().param, "swap");
  EXPECT_EQ(parse_batch(json(R"({"items":[],"id":"x"})"), {}).error().param, "id");
  EXPECT_EQ(parse_batch(json(R"({"items":{}})"), {}).error().param, "items");
  EXPECT_EQ(parse_batch(json("{}"), {}).error().param, "items");
  EXPECT_TRUE(parse_batch(json(R"({"items":[]})"), {})->items.empty());
  EXPECT_EQ(parse_batch(json(R"({"items":[1,2,3]})"), {.max_items = 2}).error().code, Code::kTooLarge);
}

TEST(ParseBatch, CountsTheDefaultPromptInEveryItem) {
  std::string body = R"({"prompt":")" + std::string(1000, 'x') + R"(","items":[)";
  for (int i = 0; i < 50; ++i) body += std::string(i > 0 ? "," : "") + R"({"response_a":"","response_b":""})";
  body += "]}";
  EXPECT_TRUE(parse_batch(json(body), {.max_text_bytes = 50'000}));
  EXPECT_EQ(parse_batch(json(body), {.max_text_bytes = 49'999}).error().code, Code::kTooLarge);
}

TEST(Render, WritesAFullReply) {
  scorer::ScorerInfo info;
  info.name = "m";
  info.revision = "7";
  info.feature_names = {"f", "g"};
  scorer::Verdict verdict;
  verdict.logits = {0.5f};
  verdict.probabilities = {0.25f, 0.625f, 0.125f};
  verdict.winner = 1;
  verdict.order_gap = 0.5f;
  verdict.tokens = {1, 2, 3, 8};
  verdict.truncated[1] = {4, 5};
  PairRequest pair;
  pair.id = "a\"b";
  pair.wanted = {.logits = true, .features = true, .timing = true};
  const Job job{.encoded = scorer::Encoded(), .features = {1.5f, NAN}, .timing = {0.001, 0.002, 0.003}};
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  render(pair, job, verdict, info, 0.006, writer);
  writer.end_object();
  EXPECT_EQ(
      json(out),
      json(R"({"id":"a\"b","model":"m","revision":"7","winner":"model_b",)"
           R"("probabilities":{"model_a":0.25,"model_b":0.625,"tie":0.125},"margin":0.375,"order_gap":0.5,)"
           R"("logits":[0.5],"tokens":{"prompt":1,"response_a":2,"response_b":3,"total":8},)"
           R"("truncated":{"response_a":{"tokens":4,"chars":5}},"features":{"f":1.5,"g":null},)"
           R"("timing":{"encode_ms":1.0,"queue_ms":2.0,"forward_ms":3.0,"total_ms":6.0}})"));
}

TEST(ReplyOf, WritesTheEnvelope) {
  auto error = http_error(Error{Code::kOverloaded, "full", "items"});
  error.retry_after = 3;
  const Reply reply = reply_of(error, "r1");
  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.body,
            R"({"error":{"code":"overloaded","message":"full","param":"items","request_id":"r1"}})");
  ASSERT_EQ(reply.headers.size(), 1u);
  EXPECT_EQ(reply.headers[0].value, "3");
}

TEST(HttpErrorOf, HasAStatusForEveryCode) {
  EXPECT_EQ(http_error(Error{Code::kInvalid, {}, {}}).status, 422);
  EXPECT_EQ(http_error(Error{Code::kNotFound, {}, {}}).status, 404);
  EXPECT_EQ(http_error(Error{Code::kTooLarge, {}, {}}).status, 413);
  EXPECT_EQ(http_error(Error{Code::kDeadline, {}, {}}).status, 504);
  EXPECT_EQ(http_error(Error{Code::kUnavailable, {}, {}}).status, 503);
  EXPECT_EQ(http_error(Error{Code::kUnavailable, {}, {}}).retry_after, 1);
  EXPECT_EQ(http_error(Error{Code::kNonFinite, {}, {}}).code, "non_finite");
}

}  // namespace
}  // namespace preferd::server
