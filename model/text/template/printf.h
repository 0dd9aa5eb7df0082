// 'text %s' % values: Python's printf-style formatting.
#pragma once

#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

// A tuple gives its items, a dict what %(name)s names, another value itself.
Value percent(Rendering& r, const Text& format, const Value& values);

}  // namespace preferd::text::jinja
