#include "server/http/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "server/http/event_loop.h"

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

TEST(HttpGet, BringsStatusAndBodyOrTheReasonForNone) {
  const Router router(
      {{.method = "GET",
        .path = "/full",
        .label = "/full",
        .access = Access::kPublic,
        .handle =
            [](Request&) { return Reply{.status = 503, .headers = {}, .body = "no room", .stream = {}}; }}},
      *Keys::make("", ""));
  Metrics metrics;
  Log log(LogLevel::kOff);
  auto loop = *EventLoop::open({.host = "127.0.0.1"}, router, metrics, log);
  const int port = loop->port();
  std::thread thread([&] { loop->run(); });
  const auto reply = http_get("127.0.0.1", port, "/full", 5s);
  loop->stop();
  thread.join();
  loop.reset();
  ASSERT_TRUE(reply) << reply.error().what;
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(reply->body, "no room");
  const auto none = http_get("127.0.0.1", port, "/full", 5s);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().what.find("127.0.0.1:" + std::to_string(port)), std::string::npos);
}

}  // namespace
}  // namespace preferd::server
