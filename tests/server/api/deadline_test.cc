#include "server/api/deadline.h"

#include <gtest/gtest.h>

namespace preferd::server {
namespace {

using namespace std::chrono_literals;
using Timeout = std::optional<std::chrono::milliseconds>;

Timeout timeout(const std::string& header, Timeout own) {
  RequestHead head;
  head.headers.push_back({"x-envoy-expected-rq-timeout-ms", header});
  return named_timeout(head, own, 60s);
}

TEST(Deadline, TheSmallestCounts) {
  EXPECT_EQ(timeout("1500", std::nullopt), 1500ms);
  EXPECT_EQ(timeout("1500", 2s), 1500ms);
  EXPECT_EQ(timeout("1500", 1s), 1s);
  EXPECT_EQ(timeout("1500", 90s), 1500ms);
  EXPECT_EQ(timeout("90000", std::nullopt), std::nullopt);  // the default one stays the default
  EXPECT_EQ(timeout("90000", 80s), 80s);
}

TEST(Deadline, WhatIsNoNumberOfMillisecondsIsIgnored) {
  for (const char* bad : {"", "0", "-5", "+5", "1.5", "5s", "1e3", "99999999999999999999", "5, 6"}) {
    EXPECT_EQ(timeout(bad, std::nullopt), std::nullopt) << bad;
    EXPECT_EQ(timeout(bad, 2s), 2s) << bad;
  }
  EXPECT_EQ(named_timeout({}, 2s, 60s), 2s);
}

}  // namespace
}  // namespace preferd::server
