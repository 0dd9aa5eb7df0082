#include "model/package/composite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace preferd::package {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Files> folder(const std::string& manifest) {
  static std::vector<std::string> kept;
  kept.push_back(manifest);
  return embedded_files({{"package.json", std::as_bytes(std::span(kept.back()))}});
}

std::string refusal(const std::string& manifest) {
  const auto read = read_composite(*folder(manifest));
  return read ? "" : read.error().what;
}

TEST(PackageKind, GoesByTheFormat) {
  EXPECT_EQ(*package_kind(*folder(R"({"format": "preferd-package/1"})")), PackageKind::kPackage);
  EXPECT_EQ(*package_kind(*folder(R"({"format": "preferd-ensemble/1"})")), PackageKind::kEnsemble);
  EXPECT_EQ(*package_kind(*folder(R"({"format": "preferd-cascade/1"})")), PackageKind::kCascade);
  EXPECT_THAT(package_kind(*folder(R"({"format": "preferd-package/2"})")).error().what,
              HasSubstr("format is \"preferd-package/2\", expected"));
  EXPECT_THAT(package_kind(*folder(R"({"name": "x"})")).error().what, HasSubstr("format is missing"));
  EXPECT_THAT(package_kind(*folder("[]")).error().what, HasSubstr("expected an object"));
}

TEST(CompositeManifest, ReadsAnEnsemble) {
  const auto m = read_composite(*folder(R"({"format": "preferd-ensemble/1", "name": "both", "revision": "3",
      "members": [{"package": "a", "weight": 2}, {"package": "b/c", "adapter": "x", "order": "swapped"}]})"));
  ASSERT_TRUE(m) << m.error().what;
  EXPECT_EQ(m->kind, PackageKind::kEnsemble);
  EXPECT_EQ(m->name, "both");
  EXPECT_EQ(m->revision, "3");
  ASSERT_EQ(m->members.size(), 2u);
  EXPECT_EQ(m->members[0].weight, 2);
  EXPECT_EQ(m->members[0].label(), "a");
  EXPECT_EQ(m->members[1].weight, 1);
  EXPECT_EQ(m->members[1].order, MemberOrder::kSwapped);
  EXPECT_EQ(m->members[1].label(), "b/c:x (swapped)");
  EXPECT_EQ(m->digest.size(), 64u);
}

TEST(CompositeManifest, ReadsACascade) {
  const auto m = read_composite(*folder(R"({"format": "preferd-cascade/1", "stages": [{"package": "small"},
      {"package": "large", "when_margin_below": 0.25, "weight": 0.6}]})"));
  ASSERT_TRUE(m) << m.error().what;
  EXPECT_EQ(m->kind, PackageKind::kCascade);
  EXPECT_EQ(m->members[1].when_margin_below, 0.25);
  EXPECT_EQ(m->members[1].weight, 0.6);
}

TEST(CompositeManifest, RefusesByKey) {
  const auto ensemble = [](const std::string& members) {
    return refusal(R"({"format": "preferd-ensemble/1", "members": )" + members + "}");
  };
  const auto second = [](const std::string& stage) {
    return refusal(R"({"format": "preferd-cascade/1", "stages": [{"package": "a"}, )" + stage + "]}");
  };
  EXPECT_THAT(refusal(R"({"format": "preferd-ensemble/1"})"), HasSubstr("ensemble.members is missing"));
  EXPECT_THAT(ensemble("[]"), HasSubstr("of 0, expected an array of 1 to 64"));
  EXPECT_THAT(ensemble("[{}]"), HasSubstr("ensemble.members[0].package is missing"));
  for (const char* path : {"", ".", "..", "a/..", "./a", "/a", "a/", "a//b", "../a"})
    EXPECT_THAT(ensemble(R"([{"package": ")" + std::string(path) + R"("}])"),
                HasSubstr("expected the name of a folder inside this one"));
  EXPECT_EQ(ensemble(R"([{"package": "a/b..c/.d"}])"), "");
  EXPECT_THAT(ensemble("[7]"), HasSubstr("ensemble.members[0] is 7, expected an object"));
  EXPECT_THAT(ensemble(R"([{"package": "a", "weight": 0}])"),
              HasSubstr("weight is 0, expected a number above 0"));
  EXPECT_THAT(ensemble(R"([{"package": "a", "wieght": 1}])"),
              HasSubstr("unknown key ensemble.members[0].wieght"));
  EXPECT_THAT(ensemble(R"([{"package": "a", "when_margin_below": 1}])"), HasSubstr("unknown key"));
  EXPECT_THAT(ensemble(R"([{"package": "a", "order": "both"}])"),
              HasSubstr("expected one of given, swapped, average"));
  EXPECT_THAT(ensemble(R"([{"package": "a"}, {"package": "a"}])"), HasSubstr("names a twice"));
  EXPECT_THAT(refusal(R"({"format": "preferd-ensemble/1", "members": [{"package": "a"}], "golden": "g"})"),
              HasSubstr("unknown key ensemble.golden"));
  EXPECT_THAT(refusal(R"({"format": "preferd-cascade/1", "stages": [{"package": "a"}]})"),
              HasSubstr("of 1, expected an array of 2 to 64"));
  EXPECT_THAT(second(R"({"package": "b"})"), HasSubstr("cascade.stages[1].when_margin_below is missing"));
  EXPECT_THAT(second(R"({"package": "b", "when_margin_below": 1.5})"),
              HasSubstr("when_margin_below is 1.5, expected"));
  EXPECT_THAT(second(R"({"package": "b", "when_margin_below": 0.5, "weight": 2})"), HasSubstr("at most 1"));
  EXPECT_THAT(refusal(R"({"format": "preferd-cascade/1", "stages": [{"package": "a", "weight": 1},
      {"package": "b", "when_margin_below": 0.5}]})"),
              HasSubstr("cascade.stages[0].weight means nothing for the first stage"));
}

}  // namespace
}  // namespace preferd::package
