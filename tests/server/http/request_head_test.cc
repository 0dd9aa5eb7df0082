#include "server/http/request_head.h"

#include <gtest/gtest.h>

namespace preferd::server {
namespace {

std::string head_of(const std::string& lines) { return lines + "\r\n\r\n"; }

TEST(ParseRequestHead, ReadsAnOrdinaryRequest) {
  const auto parsed = parse_request_head(head_of(
      "POST /predict?x=1 HTTP/1.1\r\nHost: a:1\r\nContent-LENGTH:  12 \r\nX-A: b c\r\nConnection: x, close"));
  ASSERT_TRUE(std::holds_alternative<RequestHead>(parsed));
  const auto& h = std::get<RequestHead>(parsed);
  EXPECT_EQ(h.method, "POST");
  EXPECT_EQ(h.path, "/predict");
  EXPECT_EQ(h.framing, Framing::kLength);
  EXPECT_EQ(h.length, 12u);
  EXPECT_FALSE(h.keep_alive);
  EXPECT_EQ(h.header("x-a"), "b c");
}

TEST(ParseRequestHead, TakesAbsoluteTargetsChunksAndOldVersions) {
  auto parsed = parse_request_head(head_of("GET http://h:80/a?b HTTP/1.0"));
  ASSERT_TRUE(std::holds_alternative<RequestHead>(parsed));
  EXPECT_EQ(std::get<RequestHead>(parsed).path, "/a");
  EXPECT_FALSE(std::get<RequestHead>(parsed).keep_alive);
  parsed = parse_request_head(
      head_of("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\nExpect: 100-Continue"));
  ASSERT_TRUE(std::holds_alternative<RequestHead>(parsed));
  EXPECT_EQ(std::get<RequestHead>(parsed).framing, Framing::kChunked);
  EXPECT_TRUE(std::get<RequestHead>(parsed).expects_continue);
}

struct Bad {
  const char* name;
  std::string lines;
  int status;
};
class ParseRequestHeadRefuses : public testing::TestWithParam<Bad> {};

TEST_P(ParseRequestHeadRefuses, WithAStatus) {
  const auto parsed = parse_request_head(head_of(GetParam().lines));
  ASSERT_TRUE(std::holds_alternative<HttpError>(parsed));
  EXPECT_EQ(std::get<HttpError>(parsed).status, GetParam().status);
}

std::string get(const std::string& headers) { return "GET / HTTP/1.1\r\nHost: x\r\n" + headers; }

std::string many_headers() {
  std::string out = "GET / HTTP/1.1\r\nHost: x";
  for (int i = 0; i < 100; ++i) out += "\r\nA: b";
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseRequestHeadRefuses,
    testing::Values(
        Bad{"two_parts", "GET /\r\nHost: x", 400}, Bad{"two_spaces", "GET  / HTTP/1.1\r\nHost: x", 400},
        Bad{"control_in_target", "GET /\x01 HTTP/1.1\r\nHost: x", 400},
        Bad{"utf8_target", "GET /\xC3\xA9 HTTP/1.1\r\nHost: x", 400},
        Bad{"no_slash", "GET predict HTTP/1.1\r\nHost: x", 400},
        Bad{"bad_method", "G(T / HTTP/1.1\r\nHost: x", 400}, Bad{"http2", "PRI * HTTP/2.0", 505},
        Bad{"lower_http", "GET / http/1.1\r\nHost: x", 400},
        Bad{"version_three_digits", "GET / HTTP/1.10\r\nHost: x", 400}, Bad{"no_host", "GET / HTTP/1.1", 400},
        Bad{"two_hosts", get("Host: x"), 400}, Bad{"two_hosts_in_one", "GET / HTTP/1.1\r\nHost: x, y", 400},
        Bad{"space_before_colon", get("A : b"), 400}, Bad{"no_colon", get("Ab"), 400},
        Bad{"empty_name", get(": b"), 400}, Bad{"folded", get("A: b\r\n c"), 400},
        Bad{"bare_cr", get("A: b\rc"), 400}, Bad{"nul", get(std::string("A: b\0c", 6)), 400},
        Bad{"delete", get("A: \x7f"), 400},
        Bad{"two_lengths", get("Content-Length: 1\r\nContent-Length: 1"), 400},
        Bad{"length_list", get("Content-Length: 1, 1"), 400},
        Bad{"signed_length", get("Content-Length: +1"), 400},
        Bad{"negative_length", get("Content-Length: -1"), 400},
        Bad{"hex_length", get("Content-Length: 0x1"), 400}, Bad{"empty_length", get("Content-Length:"), 400},
        Bad{"huge_length", get("Content-Length: 99999999999999999999"), 400},
        Bad{"length_and_coding", get("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400},
        Bad{"two_codings", get("Transfer-Encoding: gzip, chunked"), 501},
        Bad{"unknown_coding", get("Transfer-Encoding: xchunked"), 501},
        Bad{"coding_twice", get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 501},
        Bad{"coding_in_1_0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400},
        Bad{"expectation", get("Expect: tea"), 417}, Bad{"many_headers", many_headers(), 431},
        Bad{"long_target", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x", 414},
        Bad{"long_head", get("A: " + std::string(40000, 'a')), 431}),
    [](const auto& c) { return std::string(c.param.name); });

TEST(HeadScanner, FindsTheEndByteByByte) {
  const std::string text = "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nrest";
  HeadScanner scanner;
  std::size_t end = 0;
  for (std::size_t n = 1; n <= text.size() && end == 0; ++n)
    if (scanner.scan(text.substr(0, n)) == HeadScanner::State::kDone) end = n;
  EXPECT_EQ(end, text.size() - 4);
  EXPECT_EQ(scanner.begin(), 2u);
  EXPECT_EQ(scanner.end(), end);
}

TEST(HeadScanner, RefusesABareLineFeed) {
  HeadScanner scanner;
  EXPECT_EQ(scanner.scan("GET / HTTP/1.1\n"), HeadScanner::State::kBad);
}

TEST(UsableRequestId, TakesOnlyTheSafeCharacters) {
  EXPECT_EQ(usable_request_id("aZ09._-"), "aZ09._-");
  EXPECT_EQ(usable_request_id(std::string(128, 'x'))->size(), 128u);
  for (const std::string& bad : {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a/b"),
                                 std::string("\xC3\xA9")})
    EXPECT_FALSE(usable_request_id(bad)) << bad;
}

}  // namespace
}  // namespace preferd::server
