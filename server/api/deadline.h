// How long a client, or the proxy before it, waits for a reply. Pure; any thread.
//
// Envoy (and the gateways made of it) says in x-envoy-expected-rq-timeout-ms how many milliseconds it lets a
// request take: where that is less than what the request names, or than the default where it names nothing, it
// counts. Values other than a whole number from 1 are ignored.
#pragma once

#include <chrono>
#include <optional>

#include "server/http/message.h"

namespace preferd::server {

// The timeout that the request names, or null for the default one.
std::optional<std::chrono::milliseconds> named_timeout(const RequestHead& head,
                                                       std::optional<std::chrono::milliseconds> own,
                                                       std::chrono::milliseconds default_timeout);

}  // namespace preferd::server
