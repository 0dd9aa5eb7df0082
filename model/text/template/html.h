// markupsafe.escape(): text that HTML shows as it is.
#pragma once

#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

// Markup as it is, other text escaped; always markup. An escape has the source of its character.
Text escaped(Rendering& r, const Text& text);

}  // namespace preferd::text::jinja
