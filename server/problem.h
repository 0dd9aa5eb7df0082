// From errors to error replies: the one table of statuses, and the envelope
//   {"error":{"code","message","param"?,"request_id"}}
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/http.h"

namespace preferd::server {

// An error of ours (base/result.h) as HTTP says it.
Problem problem_of(const Error& error);

// A refusal by status alone; its code is the status's own ("length_required").
Problem problem_of(int status, std::string message);

// Name of an error code, as in the envelope: kDeadline -> "deadline_exceeded".
std::string_view code_name(Code code);

Reply reply_of(const Problem& problem, std::string_view request_id);

}  // namespace preferd::server
