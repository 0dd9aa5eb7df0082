#include "server/api/deadline.h"

#include <algorithm>

#include "base/numbers.h"

namespace preferd::server {

std::optional<std::chrono::milliseconds> named_timeout(const RequestHead& head,
                                                       std::optional<std::chrono::milliseconds> own,
                                                       std::chrono::milliseconds default_timeout) {
  const auto value = head.header("x-envoy-expected-rq-timeout-ms");
  const bool digits = value.find_first_not_of("0123456789") == value.npos;
  const auto number = digits ? parse_number<std::int64_t>(value) : std::nullopt;
  if (!number || *number < 1) return own;
  const auto least = std::min(own.value_or(default_timeout).count(), *number);
  return own || least < default_timeout.count() ? std::optional(std::chrono::milliseconds(least))
                                                : std::nullopt;
}

}  // namespace preferd::server
