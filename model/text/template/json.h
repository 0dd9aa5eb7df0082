// The filter `tojson` as transformers defines it: Python's json.dumps, without HTML escaping.
#pragma once

#include "model/text/template/arguments.h"
#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

// tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False).
Value to_json(Rendering& r, const Bound& arguments);

}  // namespace preferd::text::jinja
