// From errors to error replies: the one table of statuses, and the envelope
//   {"error":{"code","message","param"?,"request_id"}}
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/http/message.h"

namespace preferd::server {

// An error of base/result.h as HTTP reports it.
HttpError http_error(const Error& error);

// A refusal by status alone; its code is the status's own ("length_required").
HttpError http_error(int status, std::string message);

// What a status line says after the status, by RFC 9110; empty for statuses that we never send.
std::string_view reason_phrase(int status);

Reply reply_of(const HttpError& error, std::string_view request_id);

}  // namespace preferd::server
