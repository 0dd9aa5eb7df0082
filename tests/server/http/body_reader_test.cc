#include "server/http/body_reader.h"

#include <gtest/gtest.h>

#include "server/http/inflate.h"
#include "tests/support/deflated.h"

namespace preferd::server {
namespace {

using State = BodyReader::State;
using testing_support::deflated;
using testing_support::Wrapper;

struct Fed {
  State state;
  std::string body;
  int status;
  std::size_t left;
};

// Feeds in pieces of `step` bytes.
Fed feed(BodyReader& reader, std::string_view text, std::size_t step) {
  State state = State::kMore;
  std::string_view piece;
  while (!text.empty() && state == State::kMore) {
    piece = text.substr(0, step);
    const std::size_t taken = piece.size();
    state = reader.feed(piece);
    text.remove_prefix(taken - piece.size());
  }
  return {state, state == State::kDone ? reader.take_body() : "", reader.error().status, text.size()};
}

Fed chunked(std::string_view text, std::size_t step, std::size_t limit = 100) {
  ByteBudget budget(1 << 20);
  BodyReader reader(Framing::kChunked, 0, limit, budget);
  return feed(reader, text, step);
}

TEST(BodyReader, TakesExactlyTheDeclaredLength) {
  ByteBudget budget(1 << 20);
  BodyReader reader(Framing::kLength, 5, 10, budget);
  const auto fed = feed(reader, "helloGET", 3);
  EXPECT_EQ(fed.state, State::kDone);
  EXPECT_EQ(fed.body, "hello");
  EXPECT_EQ(fed.left, 3u);
}

TEST(BodyReader, JoinsChunksHoweverTheyArrive) {
  const std::string text = "3;a=b\r\nabc\r\n0A\r\n0123456789\r\n0\r\n\r\nNEXT";
  for (const std::size_t step : {1, 2, 3, 7, 100}) {
    const auto fed = chunked(text, step);
    EXPECT_EQ(fed.state, State::kDone) << step;
    EXPECT_EQ(fed.body, "abc0123456789") << step;
    EXPECT_EQ(fed.left, 4u) << step;
  }
}

TEST(BodyReader, RefusesMalformedChunks) {
  for (const std::string text :
       {"+3\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc", " 3\r\nabc", "3 \r\nabc", "\r\nabc", "g\r\n", "3\nabc\n",
        "-1\r\n", "3\r\nabcd\r\n", "3\r\nabc\n0\r\n\r\n", "000000003\r\nabc", "fffffffff\r\n",
        "3;\x01\r\nabc", "0\r\nTrailer: x\r\n\r\n"}) {
    for (const std::size_t step : {1, 100}) {
      const auto fed = chunked(text, step);
      EXPECT_EQ(fed.state, State::kFailed) << text;
      EXPECT_EQ(fed.status, 400) << text;
    }
  }
  EXPECT_EQ(chunked("1;" + std::string(300, 'x'), 50).status, 400);
}

TEST(BodyReader, RefusesMoreThanTheLimit) {
  EXPECT_EQ(chunked("64\r\n", 1).state, State::kMore);
  EXPECT_EQ(chunked("65\r\n", 1).status, 413);
  EXPECT_EQ(chunked("ffffffff\r\n", 1).status, 413);
  EXPECT_EQ(chunked("4\r\nabcd\r\n2\r\n", 100, 5).status, 413);
}

TEST(BodyReader, StaysInTheBudgetAndGivesItBack) {
  ByteBudget budget(128 * 1024);
  const std::string text(100 * 1024, 'x');
  BodyReader first(Framing::kLength, text.size(), text.size(), budget);
  EXPECT_EQ(feed(first, text, 5000).state, State::kDone);
  {
    BodyReader second(Framing::kLength, text.size(), text.size(), budget);
    const auto fed = feed(second, text, 5000);
    EXPECT_EQ(fed.state, State::kFailed);
    EXPECT_EQ(fed.status, 429);
  }
  { const Lease lease = first.take_lease(); }
  EXPECT_EQ(budget.held(), 0u);
}

TEST(Inflated, UndoesGzipAndBothDeflates) {
  const std::string text = std::string(300'000, 'a') + "end";
  Lease none;
  EXPECT_EQ(*inflated(deflated(text, Wrapper::kGzip), Coding::kGzip, 1 << 20, none), text);
  EXPECT_EQ(*inflated(deflated(text, Wrapper::kZlib), Coding::kDeflate, 1 << 20, none), text);
  EXPECT_EQ(*inflated(deflated(text, Wrapper::kNone), Coding::kDeflate, 1 << 20, none), text);
  EXPECT_EQ(*inflated(text, Coding::kIdentity, 1 << 20, none), text);
}

TEST(Inflated, RefusesBombsDamageAndLeftovers) {
  const std::string bomb = deflated(std::string(50 << 20, 'a'), Wrapper::kGzip);
  Lease none;
  EXPECT_EQ(inflated(bomb, Coding::kGzip, 1 << 20, none).error().code, Code::kTooLarge);
  const std::string good = deflated("text", Wrapper::kGzip);
  for (std::size_t n = 0; n < good.size(); ++n)
    EXPECT_EQ(inflated(good.substr(0, n), Coding::kGzip, 100, none).error().code, Code::kInvalid) << n;
  EXPECT_FALSE(inflated(good + "x", Coding::kGzip, 100, none));
  EXPECT_FALSE(inflated("plain", Coding::kGzip, 100, none));
  ByteBudget budget(64 * 1024);
  Lease small(budget);
  EXPECT_EQ(inflated(bomb, Coding::kGzip, 60 << 20, small).error().code, Code::kOverloaded);
}

}  // namespace
}  // namespace preferd::server
