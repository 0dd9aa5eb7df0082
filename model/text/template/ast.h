// A template as a tree. What the parser makes, scope.cc completes (slots), and evaluate.h walks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/text/template/value.h"

namespace preferd::text::jinja {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

// Where a variable lives: in the activation of the function that is `hops` functions further out. See scope.h.
struct Slot {
  int hops = 0, index = -1;
};

struct Keyword {
  std::string name;
  ExprPtr value;
};

// What a call, a filter or a test is given: f(a, b=c, *rest, **more).
struct CallArguments {
  std::vector<ExprPtr> positional;
  std::vector<Keyword> keywords;
  ExprPtr rest, more;
};

struct Expr {
  enum class Kind {
    kConstant,   // value
    kName,       // name, slot
    kMember,     // name.attribute as the target of `set`: name, attribute, slot
    kTuple,      // parts
    kList,       // parts
    kDict,       // parts: key, value, key, value ...
    kAttribute,  // parts[0].attribute
    kItem,       // parts[0][parts[1]]
    kSlice,      // parts[0][parts[1]:parts[2]:parts[3]], each of the three may be null
    kCall,       // parts[0](arguments)
    kFilter,     // parts[0]|name(arguments); parts[0] is null for the text of a block
    kTest,       // parts[0] is name(arguments)
    kNot,        // parts[0], as are the next two
    kNegative,
    kPositive,
    kAnd,  // parts[0], parts[1]
    kOr,
    kBinary,       // parts[0] name parts[1]: + - * / // % **
    kConcat,       // parts joined by ~
    kCompare,      // parts[0] operators[0] parts[1] operators[1] parts[2] ...
    kConditional,  // parts[1] if parts[0] else parts[2], which may be null
  };
  Kind kind;
  int line;
  int depth = 1;
  std::string name, attribute;
  Value value;
  Slot slot;
  bool stores = false;  // of a name: assigned to, not read
  std::vector<ExprPtr> parts;
  std::vector<std::string> operators;  // == != < <= > >= in "not in"
  CallArguments arguments;
};

// What entering a frame does to its variables, in any order. See scope.h.
struct Entry {
  enum class Action {
    kResolve,    // the variable of the caller, or the global, of this name
    kAlias,      // the value that `from` has now
    kMissing,    // nothing yet
    kParameter,  // set by who enters
  };
  Action action;
  std::string name;
  int index;  // in the frame's own activation
  Slot from;
};
using Frame = std::vector<Entry>;

// A macro, a call block or a generation block: a body with parameters and variables of its own.
struct Callee {
  std::string name;  // empty: anonymous
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last parameters
  Body body;
  Frame frame;
  int slots = 0;
  std::vector<int> parameter_slots;
  int caller_slot = -1, keywords_slot = -1, rest_slot = -1;  // -1: the body does not ask for it
};

struct Branch {
  ExprPtr test;  // null: else
  Body body;
  int line = 0;
};

struct Stmt {
  enum class Kind {
    kOutput,       // parts are printed; a constant is data or a literal
    kIf,           // branches
    kFor,          // target in parts[0] if test: body, otherwise
    kSet,          // target = parts[0]
    kSetBlock,     // target = the text of body, through filter
    kMacro,        // callee, kept in slot
    kCallBlock,    // parts[0], a call whose `caller` is the callee
    kGeneration,   // the text of the callee
    kFilterBlock,  // the text of body, through filter
    kWith,         // targets[i] = parts[i], for the body
    kBreak,
    kContinue,
  };
  Kind kind;
  int line;
  std::vector<ExprPtr> parts, targets;
  ExprPtr target, filter, test;
  std::vector<Branch> branches;
  Body body, otherwise;
  std::unique_ptr<Callee> callee;
  Slot slot;
  std::string name;       // of a macro
  Frame frame;            // of the body
  Frame otherwise_frame;  // of the else of a for
  int loop_slot = -1;     // of the variable `loop`, if the body asks for it
  Frame test_frame;       // of the if of a for, which is a function of its own:
  int test_slots = 0;
  ExprPtr test_target;
};

struct Tree {
  Body body;
  Frame frame;
  int slots = 0;
};

}  // namespace preferd::text::jinja
