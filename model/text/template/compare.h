// Python's ==, <, `in` and hash rules. Comparisons see the characters of a text and nothing of its sources.
#pragma once

#include "model/text/template/rendering.h"
#include "model/text/template/value.h"

namespace preferd::text::jinja {

bool equal(Rendering& r, const Value& a, const Value& b);
// Below 0, 0 or above 0; refuses values that Python does not order.
int compare(Rendering& r, const Value& a, const Value& b);
// item in container.
bool contains(Rendering& r, const Value& container, const Value& item);
bool hashable(const Value& value);
// The value under a key; null if there is none. Requires a hashable key.
const Value* find(Rendering& r, const Dict& dict, const Value& key);
// Sets a key of a dict in the making; refuses a key that is not hashable.
void put(Rendering& r, std::vector<Pair>& items, Value key, Value value);
// `a is b`; refuses where Python's answer depends on how it keeps its values.
bool same(Rendering& r, const Value& a, const Value& b);

}  // namespace preferd::text::jinja
