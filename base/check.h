// PREFERD_CHECK(condition): an invariant of our own. When it does not hold, prints where and aborts.
// Never for what files, requests or the machine did: that is Result<T> (base/result.h).
#pragma once

namespace preferd {

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace preferd

#define PREFERD_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::preferd::check_failed(__FILE__, __LINE__, #condition))
