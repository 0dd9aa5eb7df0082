#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace preferd {

void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace preferd
