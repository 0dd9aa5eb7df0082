#include "server/http/event_loop.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

namespace preferd::server {
namespace {

Reply text(const std::string& body) { return {.headers = {}, .body = body, .stream = {}}; }

class EventLoopTest : public testing::Test {
 protected:
  EventLoopTest() {
    auto opened = EventLoop::open({.host = "127.0.0.1"}, router_, metrics_, log_);
    EXPECT_TRUE(opened) << opened.error().what;
    loop_ = *std::move(opened);
    thread_ = std::thread([this] { loop_->run(); });
  }
  ~EventLoopTest() override {
    loop_->stop();
    thread_.join();
  }

  // All that one connection answers until it closes.
  std::string ask(const std::string& bytes) const {
    const Fd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(loop_->port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    std::string out(65536, '\0');
    std::size_t got = 0;
    for (ssize_t n = 1; n > 0; got += static_cast<std::size_t>(n)) {
      n = recv(client.get(), out.data() + got, out.size() - got, 0);
      if (n < 0) break;
    }
    out.resize(got);
    return out;
  }
  std::string get(const std::string& path) const {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  Router router_{{{.method = "GET",
                   .path = "/quiet",
                   .label = "/quiet",
                   .quiet = true,
                   .access = Access::kPublic,
                   .handle = [](Request&) { return text("q"); }},
                  {.method = "GET",
                   .path = "/items/7",
                   .label = "/items/{id}",
                   .access = Access::kPublic,
                   .handle = [](Request&) { return text("i"); }}},
                 *Keys::make("", "")};
  Metrics metrics_;
  Log log_{LogLevel::kInfo};
  std::unique_ptr<EventLoop> loop_;
  std::thread thread_;
};

TEST_F(EventLoopTest, CountsEveryReplyUnderTheLabelThatItsRouteDeclares) {
  EXPECT_TRUE(get("/quiet").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get("/items/7").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get("/items/7/more").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(
      ask("POST /items/7 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
  const std::string counted = metrics_.text({});
  for (const std::string line :
       {"{code=\"200\",route=\"/quiet\"} 1", "{code=\"200\",route=\"/items/{id}\"} 1",
        "{code=\"405\",route=\"/items/{id}\"} 1", "{code=\"404\",route=\"other\"} 1"})
    EXPECT_NE(counted.find("preferd_requests_total" + line), std::string::npos) << line;
}

TEST_F(EventLoopTest, LogsNoGoodReplyOfAQuietRoute) {
  testing::internal::CaptureStderr();
  get("/quiet");
  get("/items/7");
  ask("POST /quiet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(log.find("route=\"/quiet\" status=200"), std::string::npos) << log;
  EXPECT_NE(log.find("route=\"/items/{id}\" status=200"), std::string::npos) << log;
  EXPECT_NE(log.find("route=\"/quiet\" status=405"), std::string::npos) << log;
}

// Replies to requests that stand one behind the other on one connection, by their statuses.
std::vector<std::string> statuses(const std::string& replies) {
  std::vector<std::string> out;
  for (std::size_t at = 0; (at = replies.find("HTTP/1.1 ", at)) != replies.npos; at += 9)
    out.push_back(replies.substr(at + 9, 3));
  return out;
}

TEST_F(EventLoopTest, DropsAShortBodyThatNobodyReadsAndGoesOn) {
  const std::string next = "GET /quiet HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const auto refused = [&](const std::string& target, const std::string& framing, const std::string& body) {
    return statuses(ask(target + " HTTP/1.1\r\nHost: x\r\n" + framing + "\r\n\r\n" + body + next));
  };
  const std::string body = "GET /items/7 HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string length = "Content-Length: " + std::to_string(body.size());
  using Statuses = std::vector<std::string>;
  EXPECT_EQ(refused("POST /quiet", length, body), (Statuses{"405", "200"}));
  EXPECT_EQ(refused("POST /none", length, body), (Statuses{"404", "200"}));
  EXPECT_EQ(refused("GET /quiet", length, body), (Statuses{"400", "200"}));
  EXPECT_EQ(refused("OPTIONS /quiet", length, body), (Statuses{"200", "200"}));
  const std::string longest(16 * 1024, 'x');
  EXPECT_EQ(refused("POST /none", "Content-Length: 16384", longest), (Statuses{"404", "200"}));
  EXPECT_EQ(refused("POST /none", "Content-Length: 16385", longest + "x"), (Statuses{"404"}));
  EXPECT_EQ(refused("POST /none", length + "\r\nExpect: 100-continue", body), (Statuses{"404"}));
  EXPECT_EQ(refused("POST /none", "Transfer-Encoding: chunked", "1\r\nx\r\n0\r\n\r\n"), (Statuses{"404"}));
}

}  // namespace
}  // namespace preferd::server
