// Which variable a name means. jinja2 decides this when it compiles a template to Python, and its decisions show:
//
//   {% for x in xs %}{{ a }}{% endfor %}{% set a = 1 %}   prints nothing, even if the caller gives an `a`: the frame
//                                                         around the loop stores `a`, so the name means that variable
//   {% if c %}{% set a = 1 %}{% endif %}{{ a }}           prints the caller's `a` if c is false: only a branch stores it
//
// So this is its algorithm (jinja2/idtracking.py), step by step. A frame is a region with variables of its own: the
// template, the body of a loop, of a `with`, of a block that is captured, of a macro. Reading a name in a frame that
// knows it, or that lies in one that does, means that variable; otherwise the frame gets a variable that entering
// resolves from the caller's variables and the globals. Storing always means a variable of the innermost frame, which
// on entry is an alias of (starts with the value of) the outer one of that name, if there is one. If-branches are no
// frames, but what only some of them store is resolved or aliased on entry too.
//
// A variable lives in the activation of a function: the template, a macro, the body of a call block, the condition of a
// filtered loop. Frames at the same depth of one function share the slots of equal names, as Python's locals do, which
// a macro that outlives its loop can see.
#pragma once

#include "model/text/template/ast.h"

namespace preferd::text::jinja {

// Fills in slots and frames, and refuses unknown filters and tests. Throws a Refusal.
Tree resolved(Body body);

}  // namespace preferd::text::jinja
