// Content-Encoding gzip and deflate, undone under a limit. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "server/scheduling/budget.h"

namespace preferd::server {

enum class Coding { kIdentity, kGzip, kDeflate };  // kDeflate: with zlib's wrapper or bare

// The decoded bytes. Errors: kTooLarge (more than `limit` bytes), kOverloaded (`lease` cannot grow by the
// decoded bytes), kInvalid (damaged, cut short, or something after the end).
Result<std::string> inflated(std::string_view data, Coding coding, std::size_t limit, Lease& lease);

}  // namespace preferd::server
