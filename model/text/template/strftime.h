// strftime_now(format) of transformers, on the date that the caller gives: midnight, in the C locale.
#pragma once

#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

// What a directive gives has the source of its '%'.
Value format_date(Rendering& r, const Text& format);

}  // namespace preferd::text::jinja
