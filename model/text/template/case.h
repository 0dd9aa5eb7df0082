// Case, by Unicode's full mappings as Python applies them: a character may become several, all of which keep its
// source, so no mapping mixes sources.
#pragma once

#include "model/text/template/rendering.h"

namespace preferd::text::jinja {

// Each keeps markup.
Value upper(Rendering& r, const Text& text);
Value lower(Rendering& r, const Text& text);
Value title(Rendering& r, const Text& text);       // str.title()
Value capitalize(Rendering& r, const Text& text);  // str.capitalize()
Value swapcase(Rendering& r, const Text& text);
// The filter `title`: words begin behind white space and any of - ( { [ <.
Value title_words(Rendering& r, const Text& text);

bool is_lower(const Text& text);  // str.islower(), as are the next two
bool is_upper(const Text& text);
bool is_title(const Text& text);

}  // namespace preferd::text::jinja
