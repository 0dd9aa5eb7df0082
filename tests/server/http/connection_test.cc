#include "server/http/connection.h"

#include <gtest/gtest.h>

namespace preferd::server {
namespace {

TEST(Connection, PassesOverABodyThatArrivesInPieces) {
  Connection c(2, Fd(), std::chrono::seconds(1));
  c.in = "abc";
  c.pass_over(7);
  EXPECT_EQ(c.in, "");
  std::string_view next = "de";
  c.drop_unwanted(next);
  EXPECT_EQ(next, "");
  EXPECT_EQ(c.unwanted, 2u);
  next = "fgGET";
  c.drop_unwanted(next);
  EXPECT_EQ(next, "GET");
  next = "more";
  c.drop_unwanted(next);
  EXPECT_EQ(next, "more");
}

TEST(Connection, LeavesWhatStandsBehindTheBody) {
  Connection c(2, Fd(), std::chrono::seconds(1));
  c.in = "abcGET";
  c.pass_over(3);
  EXPECT_EQ(c.in, "GET");
  EXPECT_EQ(c.unwanted, 0u);
}

}  // namespace
}  // namespace preferd::server
