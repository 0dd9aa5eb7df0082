#include "server/http/http_error.h"

#include <algorithm>
#include <array>

#include "base/json.h"

namespace preferd::server {
namespace {

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kEmptyInput:
    case Code::kNonFinite: return 422;
    case Code::kNotFound: return 404;
    case Code::kTooLarge: return 413;
    case Code::kOverloaded: return 429;
    case Code::kCancelled: return 499;
    case Code::kUnavailable:
    case Code::kDevice:
    case Code::kChanged: return 503;
    case Code::kDeadline: return 504;
    case Code::kInternal: break;
  }
  return 500;
}

struct StatusRow {
  int status;
  std::string_view name, phrase;
};
constexpr std::array<StatusRow, 20> kStatuses = {{
    {400, "malformed", "Bad Request"},
    {401, "unauthorized", "Unauthorized"},
    {403, "forbidden", "Forbidden"},
    {404, "not_found", "Not Found"},
    {405, "method_not_allowed", "Method Not Allowed"},
    {408, "timeout", "Request Timeout"},
    {409, "conflict", "Conflict"},
    {411, "length_required", "Length Required"},
    {413, "too_large", "Content Too Large"},
    {414, "uri_too_long", "URI Too Long"},
    {415, "unsupported_media_type", "Unsupported Media Type"},
    {417, "expectation_failed", "Expectation Failed"},
    {422, "invalid", "Unprocessable Content"},
    {429, "overloaded", "Too Many Requests"},
    {431, "headers_too_large", "Request Header Fields Too Large"},
    {500, "internal", "Internal Server Error"},
    {501, "not_implemented", "Not Implemented"},
    {503, "unavailable", "Service Unavailable"},
    {504, "deadline_exceeded", "Gateway Timeout"},
    {505, "version_not_supported", "HTTP Version Not Supported"},
}};

const StatusRow* row_of(int status) {
  const auto row = std::find_if(kStatuses.begin(), kStatuses.end(),
                                [&](const StatusRow& r) { return r.status == status; });
  return row == kStatuses.end() ? nullptr : &*row;
}

}  // namespace

std::string_view reason_phrase(int status) {
  if (status == 200) return "OK";
  const StatusRow* row = row_of(status);
  return row == nullptr ? std::string_view() : row->phrase;
}

HttpError http_error(const Error& error) {
  const bool later = error.code == Code::kOverloaded || error.code == Code::kUnavailable;
  return {.status = status_of(error.code),
          .code = word_of(error.code),
          .message = error.what,
          .param = error.param,
          .retry_after = later ? 1 : 0,
          .headers = {}};
}

HttpError http_error(int status, std::string message) {
  const StatusRow* row = row_of(status);
  const bool later = status == 429 || status == 503;
  return {.status = status,
          .code = std::string(row == nullptr ? "internal" : row->name),
          .message = std::move(message),
          .param = {},
          .retry_after = later ? 1 : 0,
          .headers = {}};
}

Reply reply_of(const HttpError& error, std::string_view request_id) {
  Reply reply{.status = error.status, .headers = error.headers, .body = {}, .stream = {}};
  if (error.retry_after > 0) reply.headers.push_back({"Retry-After", std::to_string(error.retry_after)});
  JsonWriter json(reply.body);
  json.begin_object().key("error").begin_object();
  json.member("code", error.code).member("message", error.message);
  if (!error.param.empty()) json.member("param", error.param);
  json.member("request_id", request_id).end_object().end_object();
  return reply;
}

}  // namespace preferd::server
