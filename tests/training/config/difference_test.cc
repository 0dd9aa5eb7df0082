#include "training/config/difference.h"

#include <gtest/gtest.h>

namespace preferd::training {
namespace {

std::string text(const TrainConfig& one, const TrainConfig& other) {
  std::string out;
  for (const Difference& d : differences(one, other)) out += d.key + " " + d.one + " " + d.other + "\n";
  return out;
}

TEST(Differences, NameKeysWithBothValues) {
  TrainConfig one, other;
  EXPECT_EQ(text(one, other), "");
  one.loop.max_steps = 8;
  one.optimizer.lr = 1e-4;
  one.method = Method::kHead;
  one.data.train = {"a"};
  one.package = {{"base", {{"path", "b"}}}, {"head", {{"layers", {1}}}}};
  other.package = {{"base", {{"path", "c"}, {"max_layers", 4}}}, {"head", {{"layers", {1}}}}};
  one.data.sources["x"].weight = 2;
  EXPECT_EQ(text(one, other),
            "data.sources[1].labels \"auto\" nothing\n"
            "data.sources[1].limit 0 nothing\n"
            "data.sources[1].name \"x\" nothing\n"
            "data.sources[1].ties \"auto\" nothing\n"
            "data.sources[1].weight 2.0 nothing\n"
            "data.train [\"a\"] []\n"
            "loop.max_steps 8 0\n"
            "method \"head\" \"lora\"\n"
            "optimizer.lr 0.0001 0.0002\n"
            "package.base.max_layers nothing 4\n"
            "package.base.path \"b\" \"c\"\n");
}

}  // namespace
}  // namespace preferd::training
