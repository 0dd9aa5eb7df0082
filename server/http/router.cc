#include "server/http/router.h"

#include "server/http/header_text.h"
#include "server/http/http_error.h"

namespace preferd::server {
namespace {

std::optional<HttpError> refuse_body(const RequestHead& head, const Route& route) {
  if (route.max_body == 0) {
    if (head.has_body()) return http_error(400, "this route takes no body");
    return std::nullopt;
  }
  if (head.framing == Framing::kNone)
    return http_error(411, "expected Content-Length or Transfer-Encoding: chunked");
  const auto type = head.header("content-type");
  if (lower_ascii(trimmed(type.substr(0, type.find(';')))) != "application/json")
    return http_error(415, "expected Content-Type: application/json");
  const auto charset = lower_ascii(type).find("charset=");
  if (charset != std::string::npos) {
    const auto name = lower_ascii(type.substr(charset + 8));
    if (!name.starts_with("utf-8") && !name.starts_with("\"utf-8\""))
      return http_error(415, "the only charset understood is utf-8");
  }
  const auto coding = lower_ascii(head.header("content-encoding"));
  if (!coding.empty() && coding != "identity" && coding != "gzip" && coding != "deflate") {
    auto error = http_error(415, "the content codings understood are gzip and deflate, one at a time");
    error.headers.push_back({"Accept-Encoding", "gzip, deflate"});
    return error;
  }
  std::size_t codings = 0;
  for (const auto& h : head.headers) codings += h.name == "content-encoding" ? 1 : 0;
  if (codings > 1) return http_error(415, "more than one Content-Encoding");
  if (head.framing == Framing::kLength && head.length > route.max_body)
    return http_error(413, "the body is declared as " + std::to_string(head.length) +
                               " bytes, the limit here is " + std::to_string(route.max_body));
  return std::nullopt;
}

}  // namespace

Router::Router(std::vector<Route> routes, Keys keys) : routes_(std::move(routes)), keys_(keys) {}

std::size_t Router::index(const Route* route) const {
  return route == nullptr ? routes_.size() : static_cast<std::size_t>(route - routes_.data());
}

std::string Router::allowed(std::string_view path) const {
  std::string out;
  for (const auto& r : routes_) {
    if (r.path != path) continue;
    if (!out.empty()) out += ", ";
    out += r.method == "GET" ? "GET, HEAD" : r.method;
  }
  return out.empty() ? out : out + ", OPTIONS";
}

Router::Decision Router::decide(const RequestHead& head) const {
  const std::string method = head.method == "HEAD" ? "GET" : head.method;
  Decision decision;
  const Route* same_path = nullptr;
  for (const auto& r : routes_) {
    if (r.path != head.path) continue;
    same_path = &r;
    if (r.method == method) decision.route = &r;
  }
  if (head.method == "OPTIONS" && (same_path != nullptr || head.path == "*")) {
    decision.route = same_path;
    const std::string allow = head.path == "*" ? "GET, HEAD, POST, OPTIONS" : allowed(head.path);
    decision.reply =
        Reply{.status = 200, .type = {}, .headers = {{"Allow", allow}}, .body = {}, .stream = {}};
    return decision;
  }
  if (same_path == nullptr) {
    decision.error = http_error(404, "no such path here");
    return decision;
  }
  if (decision.route == nullptr) {
    decision.route = same_path;
    decision.error = http_error(405, "this path does not take that method");
    decision.error->headers.push_back({"Allow", allowed(head.path)});
    return decision;
  }
  const Route& route = *decision.route;
  if (!keys_.allow(route.access, head.header("authorization"))) {
    decision.error = http_error(401, "expected 'Authorization: Bearer KEY' with a valid key");
    decision.error->headers.push_back({"WWW-Authenticate", "Bearer realm=\"preferd\""});
    return decision;
  }
  decision.error = refuse_body(head, route);
  if (!decision.error && route.refuse) decision.error = route.refuse();
  return decision;
}

}  // namespace preferd::server
