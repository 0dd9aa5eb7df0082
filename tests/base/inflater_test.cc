#include "base/inflater.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <array>

namespace preferd {
namespace {

using Format = Inflater::Format;

std::string deflated(const std::string& text, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(Inflater, UndoesEachFormatAByteAtATime) {
  for (const auto& [format, bits] :
       {std::pair{Format::kGzip, 31}, std::pair{Format::kZlib, 15}, std::pair{Format::kDeflate, -15}}) {
    auto inflater = *Inflater::create(format);
    const std::string packed = deflated("one, two, two, two", bits);
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
  const std::string packed = deflated("text", 31);
  const auto step = inflater.step(packed + "junk", out);
  ASSERT_TRUE(step);
  EXPECT_TRUE(step->ended);
  EXPECT_EQ(step->taken, packed.size());
  EXPECT_EQ(step->given, 4u);
}

TEST(Inflater, WantsMoreOfAStreamThatIsCutShort) {
  auto inflater = *Inflater::create(Format::kGzip);
  std::array<char, 64> out{};
  const std::string packed = deflated("text", 31);
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
