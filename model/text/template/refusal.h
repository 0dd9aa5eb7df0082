// How the interpreter gives up. Inside this folder a refusal is an exception: an interpreter refuses in the middle of
// expressions, and Python, whose errors these are, throws there too. ChatTemplate catches it; none leaves the folder.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace preferd::text::jinja {

struct Refusal {
  Code code;
  std::string what;
  int line = 0;  // of the template, 0 where the thrower does not know it
};

[[noreturn]] inline void refuse(std::string what, int line = 0) {
  throw Refusal{Code::kInvalid, std::move(what), line};
}

}  // namespace preferd::text::jinja
