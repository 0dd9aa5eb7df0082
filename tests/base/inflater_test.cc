#include "base/inflater.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/deflated.h"

namespace preferd {
namespace {

using Format = Inflater::Format;
using testing_support::deflated;
using testing_support::Wrapper;

TEST(Inflater, UndoesEachFormatAByteAtATime) {
  for (const auto& [format, wrapper] :
       {std::pair{Format::kGzip, Wrapper::kGzip}, std::pair{Format::kZlib, Wrapper::kZlib},
        std::pair{Format::kDeflate, Wrapper::kNone}}) {
    auto inflater = *Inflater::create(format);
    const std::string packed = deflated("one, two, two, two", wrapper);
    for (int stream = 0; stream < 2; ++stream, inflater.restart()) {
      std::string_view left = packed;
      std::string text;
      for (bool ended = false; !ended;) {
        std::array<char, 1> out{};
        const auto step = inflater.step(left.substr(0, 1), out);
        ASSERT_TRUE(step) << step.error().what;
        ASSERT_TRUE(step->taken + step->given > 0 || step->ended);
        if (step->given == 1) text += out.front();
        left.remove_prefix(step->taken);
        ended = step->ended;
      }
      EXPECT_EQ(text, "one, two, two, two");
      EXPECT_TRUE(left.empty());
    }
  }
}

TEST(Inflater, LeavesWhatFollowsTheStream) {
  auto inflater = *Inflater::create(Format::kGzip);
  std::array<char, 64> out{};
  const std::string packed = deflated("text", Wrapper::kGzip);
  const auto step = inflater.step(packed + "junk", out);
  ASSERT_TRUE(step);
  EXPECT_TRUE(step->ended);
  EXPECT_EQ(step->taken, packed.size());
  EXPECT_EQ(step->given, 4u);
}

TEST(Inflater, WantsMoreOfAStreamThatIsCutShort) {
  auto inflater = *Inflater::create(Format::kGzip);
  std::array<char, 64> out{};
  const std::string packed = deflated("text", Wrapper::kGzip);
  ASSERT_TRUE(inflater.step(packed.substr(0, packed.size() - 4), out));
  const auto step = inflater.step("", out);
  ASSERT_TRUE(step);
  EXPECT_FALSE(step->ended);
  EXPECT_EQ(step->taken + step->given, 0u);
}

TEST(Inflater, RefusesDamage) {
  auto inflater = *Inflater::create(Format::kGzip);
  std::array<char, 64> out{};
  const auto step = inflater.step("not gzip at all", out);
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().what, "incorrect header check");
}

}  // namespace
}  // namespace preferd
