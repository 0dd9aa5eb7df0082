#include "server/http/router.h"

#include <gtest/gtest.h>

#include <fstream>

#include "server/http/request_head.h"
#include "server/metrics.h"
#include "server/options.h"

namespace preferd::server {
namespace {

class RouterTest : public testing::Test {
 protected:
  Router router(const std::string& api = "", const std::string& admin = "") {
    const auto handle = [](Request&) { return Reply{}; };
    return Router(
        {{.method = "GET",
          .path = "/healthz",
          .label = "/healthz",
          .access = Access::kPublic,
          .handle = handle},
         {.method = "POST", .path = "/predict", .label = "/predict", .max_body = 100, .handle = handle},
         {.method = "POST",
          .path = "/admin/x",
          .label = "/admin/x",
          .access = Access::kAdmin,
          .max_body = 100,
          .handle = handle},
         {.method = "POST",
          .path = "/busy",
          .label = "/busy",
          .max_body = 100,
          .handle = handle,
          .refuse =
              [] {
                return HttpError{.status = 429, .code = {}, .message = {}, .param = {}, .headers = {}};
              }}},
        *Keys::make(api, admin));
  }
  int status(const Router& r, const std::string& head) {
    const auto parsed = parse_request_head(head + "\r\nHost: x\r\n\r\n");
    const auto d = r.decide(std::get<RequestHead>(parsed));
    return d.error ? d.error->status : d.reply ? 1 : 0;
  }
  const std::string post_ = "POST /predict HTTP/1.1\r\nContent-Type: application/json";
};

TEST_F(RouterTest, DecidesBeforeTheBody) {
  const auto r = router();
  EXPECT_EQ(status(r, "GET /healthz HTTP/1.1"), 0);
  EXPECT_EQ(status(r, "HEAD /healthz HTTP/1.1"), 0);
  EXPECT_EQ(status(r, "GET /healthz HTTP/1.1\r\nContent-Length: 0"), 0);
  EXPECT_EQ(status(r, "GET /healthz HTTP/1.1\r\nContent-Length: 1"), 400);
  EXPECT_EQ(status(r, "GET /Healthz HTTP/1.1"), 404);
  EXPECT_EQ(status(r, "GET /healthz/ HTTP/1.1"), 404);
  EXPECT_EQ(status(r, "GET /predict HTTP/1.1"), 405);
  EXPECT_EQ(status(r, "BREW /predict HTTP/1.1"), 405);
  EXPECT_EQ(status(r, "OPTIONS /predict HTTP/1.1"), 1);
  EXPECT_EQ(status(r, "OPTIONS * HTTP/1.1"), 1);
  EXPECT_EQ(status(r, post_), 411);
  EXPECT_EQ(status(r, post_ + "\r\nContent-Length: 100"), 0);
  EXPECT_EQ(status(r, post_ + "\r\nTransfer-Encoding: chunked"), 0);
  EXPECT_EQ(status(r, post_ + "\r\nContent-Length: 101"), 413);
  EXPECT_EQ(status(r, post_ + "; charset=UTF-8\r\nContent-Length: 1"), 0);
  EXPECT_EQ(status(r, post_ + "; charset=latin1\r\nContent-Length: 1"), 415);
  EXPECT_EQ(status(r, "POST /predict HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1"), 415);
  EXPECT_EQ(status(r, "POST /predict HTTP/1.1\r\nContent-Length: 1"), 415);
  for (const std::string coding : {"gzip", "deflate", "identity"})
    EXPECT_EQ(status(r, post_ + "\r\nContent-Length: 1\r\nContent-Encoding: " + coding), 0) << coding;
  for (const std::string coding : {"br", "zstd", "gzip, gzip", "gzip\r\nContent-Encoding: gzip"})
    EXPECT_EQ(status(r, post_ + "\r\nContent-Length: 1\r\nContent-Encoding: " + coding), 415) << coding;
  EXPECT_EQ(status(r, "POST /busy HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1"), 429);
}

TEST_F(RouterTest, NamesTheMethodsAllowed) {
  const auto r = router();
  const auto parsed = parse_request_head("PUT /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto d = r.decide(std::get<RequestHead>(parsed));
  ASSERT_TRUE(d.error);
  ASSERT_EQ(d.error->headers.size(), 1u);
  EXPECT_EQ(d.error->headers[0].value, "GET, HEAD, OPTIONS");
}

TEST_F(RouterTest, AsksForTheKey) {
  const auto r = router("client", "admin");
  const std::string body = "\r\nContent-Type: application/json\r\nContent-Length: 1";
  const auto with = [&](const std::string& path, const std::string& authorization) {
    return status(r, "POST " + path + " HTTP/1.1" + body + "\r\nAuthorization: " + authorization);
  };
  EXPECT_EQ(status(r, "GET /healthz HTTP/1.1"), 0);
  EXPECT_EQ(status(r, "POST /predict HTTP/1.1" + body), 401);
  EXPECT_EQ(status(r, "POST /predict?key=client HTTP/1.1" + body), 401);
  EXPECT_EQ(with("/predict", "Bearer client"), 0);
  EXPECT_EQ(with("/predict", "bearer admin"), 0);
  EXPECT_EQ(with("/predict", "Basic client"), 401);
  EXPECT_EQ(with("/predict", "Bearer clien"), 401);
  EXPECT_EQ(with("/predict", "Bearer"), 401);
  EXPECT_EQ(with("/admin/x", "Bearer client"), 401);
  EXPECT_EQ(with("/admin/x", "Bearer admin"), 0);
}

TEST_F(RouterTest, WithoutKeysInferenceIsOpenAndAdminIsNot) {
  const auto r = router();
  const std::string body = "\r\nContent-Type: application/json\r\nContent-Length: 1";
  EXPECT_EQ(status(r, "POST /predict HTTP/1.1" + body), 0);
  EXPECT_EQ(status(r, "POST /admin/x HTTP/1.1" + body), 401);
  EXPECT_EQ(status(r, "POST /admin/x HTTP/1.1" + body + "\r\nAuthorization: Bearer "), 401);
}

TEST(KeysTest, ComeFromFiles) {
  const std::string path = testing::TempDir() + "/key_" + std::to_string(getpid());
  std::ofstream(path) << "  from-file\n";
  const auto keys = Keys::make("@" + path, "");
  ASSERT_TRUE(keys) << keys.error().what;
  EXPECT_TRUE(keys->allow(Access::kClient, "Bearer from-file"));
  EXPECT_FALSE(Keys::make("@/nowhere/key", ""));
  EXPECT_FALSE(Keys::make("two words", ""));
}

TEST(CheckOptions, BeyondLoopbackAKeyIsNeeded) {
  ServeOptions o;
  EXPECT_TRUE(check(o));
  o.host = "0.0.0.0";
  EXPECT_FALSE(check(o));
  o.insecure = true;
  EXPECT_TRUE(check(o));
  o.insecure = false;
  o.api_key = "k";
  EXPECT_TRUE(check(o));
}

TEST(MetricsTest, CountsByFixedLabels) {
  Metrics m;
  m.request(m.route("/predict"), 200, 0.01);
  m.request(m.route("/predict"), 200, 0.01);
  m.request(m.route("other"), 404, 0.01);
  m.items(Outcome::kOk, 3);
  scorer::ScorerInfo info;
  info.name = "m";
  m.model(info);
  m.model(info);
  const auto text = m.text({.classes = {{"bulk", 1, 22, 0.5}}, .ready = 1});
  const auto has = [&](const std::string& line) { return text.find(line) != std::string::npos; };
  EXPECT_TRUE(has("preferd_requests_total{code=\"200\",route=\"/predict\"} 2"));
  EXPECT_TRUE(has("preferd_requests_total{code=\"404\",route=\"other\"} 1"));
  EXPECT_TRUE(has("preferd_items_total{outcome=\"ok\"} 3"));
  EXPECT_TRUE(has("preferd_queue_tokens{lane=\"bulk\"} 22"));
  EXPECT_TRUE(has("preferd_ready 1"));
  EXPECT_TRUE(has("preferd_model_info{"));
}

}  // namespace
}  // namespace preferd::server
