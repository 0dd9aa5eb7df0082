// One token of the LM head as the reward of a response.
#include "tests/model/scorer/fixtures.h"

namespace preferd::scorer {
namespace {

using testing_support::PackageCopy;

// The package then reads "<prompt>: ...\n\n<response>: ..." for a response.
void read_one_response(const PackageCopy& package, const Json& head, const char* layout,
                       const char* response) {
  package.edit("package.json", [&](Json& json) {
    json.erase("golden");
    json["head"] = head;
    json["input"]["layout"] = layout;
    json["input"]["template"] = {{{"text", "<prompt>: "}},
                                 {{"field", "prompt"}},
                                 {{"text", "\n\n<response>: "}},
                                 {{"field", response}}};
  });
}

std::vector<float> logits(const PackageCopy& package, const Ask& ask) {
  const auto scorer = package.load();
  EXPECT_TRUE(scorer) << scorer.error().what;
  if (!scorer) return {};
  const std::vector<Encoded> items = testing_scorer::encode(**scorer, {ask});
  return (*(*scorer)->score(testing_scorer::pointers(items))[0]).logits;
}

TEST(TokenReward, IsTheLogitThatTokenPairReads) {
  for (const char* package : {"token_pair", "gemma2_token_pair"}) {
    const PackageCopy pair(package), one(package);
    read_one_response(pair, {{"output", "token_pair"}, {"tokens", {"A", "B"}}}, "pair", "response_a");
    read_one_response(one, {{"output", "token_reward"}, {"tokens", {"B"}}}, "per_response", "response");
    const Ask ask{
        {"How do I boil an egg?", "In hot water.", "Not at all!"}, "", Swap::kNone, Overflow::kPackage};
    Ask other = ask;
    std::swap(other.pair.response_a, other.pair.response_b);
    const std::vector<float> rewards = logits(one, ask);
    ASSERT_EQ(rewards.size(), 2u);
    EXPECT_EQ(rewards[0], logits(pair, ask)[1]) << package;
    EXPECT_EQ(rewards[1], logits(pair, other)[1]) << package;
    EXPECT_NE(rewards[0], rewards[1]);
  }
}

TEST(TokenReward, RefusesWhatDoesNotGoWithIt) {
  const Json head = {{"output", "token_reward"}, {"tokens", {"A"}}};
  const PackageCopy pair("token_pair"), two("token_pair");
  read_one_response(pair, head, "pair", "response_a");
  EXPECT_NE(pair.refusal().find("token_reward does not go with input.layout pair"), std::string::npos);
  read_one_response(two, {{"output", "token_reward"}, {"tokens", {"A", "B"}}}, "per_response", "response");
  EXPECT_NE(two.refusal().find("token_reward needs one"), std::string::npos);
  const PackageCopy deberta("deberta");
  deberta.edit("package.json", [&](Json& json) { json["head"] = head; });
  EXPECT_NE(deberta.refusal().find("token_reward over deberta_v2"), std::string::npos);
}

}  // namespace
}  // namespace preferd::scorer
