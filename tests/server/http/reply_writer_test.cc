#include "server/http/reply_writer.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace preferd::server {
namespace {

using namespace std::chrono_literals;

struct Text : ByteSink {
  void write(std::string_view bytes) override { all += bytes; }
  bool push() override { return pushes++ < client_leaves_after; }

  std::string all;
  int pushes = 0, client_leaves_after = 1000;
};

Request request(const std::string& method, int minor = 1) {
  Request out;
  out.head.method = method;
  out.head.minor = minor;
  out.id = "r1";
  return out;
}

Reply reply(const std::string& body) { return {.headers = {{"Allow", "GET"}}, .body = body, .stream = {}}; }

Reply lines() {
  Reply out{.type = "application/x-ndjson", .headers = {}, .body = {}, .stream = {}};
  out.stream = [](const Emit& emit) {
    for (const std::string_view piece : {"one\n", "", "sixteen letters\n"})
      if (!emit(piece)) return;
  };
  return out;
}

TEST(WriteReply, WritesHeadAndBody) {
  Text sink;
  EXPECT_TRUE(write_reply(request("GET"), reply("{}"), 75s, sink));
  EXPECT_EQ(sink.all,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nX-Request-Id: r1\r\n"
            "Allow: GET\r\nKeep-Alive: timeout=75\r\n\r\n{}");
  EXPECT_EQ(sink.pushes, 0);
}

TEST(WriteReply, SaysThatTheConnectionCloses) {
  Text sink;
  EXPECT_FALSE(write_reply(request("GET"), reply("{}"), 0s, sink));
  EXPECT_NE(sink.all.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_EQ(sink.all.find("Keep-Alive"), std::string::npos);
}

TEST(WriteReply, LeavesTheBodyOfHeadAwayAndKeepsItsLength) {
  Text sink;
  EXPECT_TRUE(write_reply(request("HEAD"), reply("{}"), 75s, sink));
  EXPECT_NE(sink.all.find("\r\nContent-Length: 2\r\n"), std::string::npos);
  EXPECT_TRUE(sink.all.ends_with("\r\n\r\n"));
}

TEST(WriteReply, NamesTheStatus) {
  Text sink;
  Reply out = reply("");
  out.status = 431;
  out.type.clear();
  write_reply(request("GET"), out, 75s, sink);
  EXPECT_TRUE(sink.all.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n"))
      << sink.all;
}

TEST(WriteReply, StreamsInChunksAndSendsEachAtOnce) {
  Text sink;
  EXPECT_TRUE(write_reply(request("POST"), lines(), 75s, sink));
  EXPECT_NE(sink.all.find("\r\nTransfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(sink.all.find("Content-Length"), std::string::npos);
  EXPECT_TRUE(sink.all.ends_with("\r\n\r\n4\r\none\n\r\n10\r\nsixteen letters\n\r\n0\r\n\r\n")) << sink.all;
  EXPECT_EQ(sink.pushes, 2);
}

TEST(WriteReply, StreamsToOldClientsWithoutChunksAndCloses) {
  Text sink;
  EXPECT_FALSE(write_reply(request("POST", 0), lines(), 75s, sink));
  EXPECT_EQ(sink.all.find("Transfer-Encoding"), std::string::npos);
  EXPECT_NE(sink.all.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_TRUE(sink.all.ends_with("\r\n\r\none\nsixteen letters\n"));
}

TEST(WriteReply, EndsNoStreamThatBrokeOff) {
  Text gone;
  gone.client_leaves_after = 1;
  EXPECT_FALSE(write_reply(request("POST"), lines(), 75s, gone));
  EXPECT_FALSE(gone.all.ends_with("0\r\n\r\n"));
  Text thrown;
  Reply broken = lines();
  broken.stream = [](const Emit& emit) {
    emit("one\n");
    throw std::runtime_error("asked to");
  };
  EXPECT_FALSE(write_reply(request("POST"), broken, 75s, thrown));
  EXPECT_FALSE(thrown.all.ends_with("0\r\n\r\n"));
}

}  // namespace
}  // namespace preferd::server
