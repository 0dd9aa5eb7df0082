#include "server/http/request_head.h"

#include <algorithm>

#include "base/numbers.h"
#include "server/http/header_text.h"
#include "server/http/http_error.h"

namespace preferd::server {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_token(char c) {
  return is_digit(c) || is_alpha(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_target(char c) { return c > 0x20 && c < 0x7f; }
bool is_value(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u == '\t' || (u >= 0x20 && u != 0x7f);
}

template <class Test>
bool all(std::string_view text, Test test) {
  return std::all_of(text.begin(), text.end(), test);
}

// Cuts the line that starts `rest`. Lines are known to end with CRLF.
std::string_view cut_line(std::string_view& rest) {
  const auto end = rest.find("\r\n");
  const auto line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

std::optional<HttpError> read_request_line(std::string_view line, const HeadLimits& limits,
                                           RequestHead& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == line.npos || first == last) return http_error(400, "the request line has no three parts");
  const auto method = line.substr(0, first);
  const auto version = line.substr(last + 1);
  auto target = line.substr(first + 1, last - first - 1);
  if (method.empty() || method.size() > 32 || !all(method, is_token))
    return http_error(400, "the method is not a token of 1 to 32 characters");
  if (version.size() != 8 || !version.starts_with("HTTP/") || !is_digit(version[5]) || version[6] != '.' ||
      !is_digit(version[7]))
    return http_error(400, "the request line does not end with an HTTP version");
  if (version[5] != '1') return http_error(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  if (target.size() > limits.max_target)
    return http_error(414, "the target is longer than " + std::to_string(limits.max_target) + " bytes");
  if (target.empty() || !all(target, is_target))
    return http_error(400, "the target holds a space or a character outside ASCII");
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const auto slash = target.find('/', scheme.size());
    target = slash == target.npos ? std::string_view("/") : target.substr(slash);
  }
  if (target != "*" && target[0] != '/' && method != "CONNECT")
    return http_error(400, "the target does not begin with '/'");
  head.method = method;
  head.minor = version[7] == '0' ? 0 : 1;
  head.path = target.substr(0, target.find_first_of("?#"));
  return std::nullopt;
}

std::optional<HttpError> read_headers(std::string_view rest, const HeadLimits& limits, RequestHead& head) {
  while (!rest.empty()) {
    const auto line = cut_line(rest);
    if (line.empty()) break;
    if (line[0] == ' ' || line[0] == '\t') return http_error(400, "a header is folded over two lines");
    const auto colon = line.find(':');
    if (colon == line.npos || colon == 0 || !all(line.substr(0, colon), is_token))
      return http_error(400, "a header line has no name before a colon");
    const auto value = trimmed(line.substr(colon + 1));
    if (!all(value, is_value)) return http_error(400, "a header value holds a control character");
    if (head.headers.size() >= limits.max_headers)
      return http_error(431, "more than " + std::to_string(limits.max_headers) + " headers");
    head.headers.push_back({lower_ascii(line.substr(0, colon)), std::string(value)});
  }
  return std::nullopt;
}

std::optional<HttpError> settle_framing(RequestHead& head) {
  std::size_t hosts = 0, lengths = 0, codings = 0;
  for (const auto& h : head.headers) {
    hosts += h.name == "host" ? 1 : 0;
    lengths += h.name == "content-length" ? 1 : 0;
    codings += h.name == "transfer-encoding" ? 1 : 0;
  }
  if (hosts > 1 || (hosts == 0 && head.minor == 1))
    return http_error(400, "expected one Host header, found " + std::to_string(hosts));
  if (head.header("host").find_first_of(" \t,/") != std::string_view::npos)
    return http_error(400, "the Host header does not name one host");
  if (lengths > 1) return http_error(400, "more than one Content-Length");
  if (lengths == 1 && codings > 0) return http_error(400, "Content-Length beside Transfer-Encoding");
  if (codings > 0) {
    if (codings > 1 || lower_ascii(head.header("transfer-encoding")) != "chunked")
      return http_error(501, "the only transfer coding understood is chunked");
    if (head.minor == 0) return http_error(400, "Transfer-Encoding in HTTP/1.0");
    head.framing = Framing::kChunked;
  }
  if (lengths == 1) {
    const auto value = head.header("content-length");
    const auto length = parse_number<std::uint64_t>(value);
    if (!length || value.size() > 18 || !all(value, is_digit))
      return http_error(400, "Content-Length is not a number of bytes");
    head.framing = Framing::kLength;
    head.length = *length;
  }
  return std::nullopt;
}

std::optional<HttpError> settle_connection(RequestHead& head) {
  head.keep_alive = head.minor == 1;
  for (const auto& h : head.headers) {
    if (h.name == "connection" && has_list_member(h.value, "close")) head.keep_alive = false;
    if (h.name != "expect") continue;
    if (lower_ascii(h.value) != "100-continue")
      return http_error(417, "the only expectation understood is 100-continue");
    head.expects_continue = head.minor == 1;
  }
  return std::nullopt;
}

}  // namespace

HeadScanner::State HeadScanner::scan(std::string_view bytes) {
  for (; at_ < bytes.size(); ++at_) {
    if (bytes[at_] != '\n') continue;
    if (at_ == 0 || bytes[at_ - 1] != '\r') return State::kBad;
    const bool empty = at_ - line_ == 1;
    line_ = at_ + 1;
    if (!empty) continue;
    if (at_ - begin_ == 1) {
      begin_ = at_ + 1;
      continue;
    }
    ++at_;
    return State::kDone;
  }
  return State::kMore;
}

std::variant<RequestHead, HttpError> parse_request_head(std::string_view text, const HeadLimits& limits) {
  if (text.size() > limits.max_bytes)
    return http_error(431, "the head is longer than " + std::to_string(limits.max_bytes) + " bytes");
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return http_error(400, "a NUL in the head");
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'))
      return http_error(400, "a carriage return without its line feed");
  }
  if (!text.ends_with("\r\n\r\n")) return http_error(400, "the head does not end with an empty line");
  RequestHead head;
  auto rest = text;
  if (auto p = read_request_line(cut_line(rest), limits, head)) return *std::move(p);
  if (auto p = read_headers(rest, limits, head)) return *std::move(p);
  if (auto p = settle_framing(head)) return *std::move(p);
  if (auto p = settle_connection(head)) return *std::move(p);
  return head;
}

std::optional<std::string_view> usable_request_id(std::string_view given) {
  const auto plain = [](char c) { return is_digit(c) || is_alpha(c) || c == '.' || c == '_' || c == '-'; };
  if (given.empty() || given.size() > 128 || !all(given, plain)) return std::nullopt;
  return given;
}

}  // namespace preferd::server
