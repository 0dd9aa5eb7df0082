// A field's JSON value as the one text that the model reads. Pure functions; any thread.
//
//   "text"                          itself
//   ["turn", null, "turn"]          LMSYS turns: joined by a blank line, null = ""
//   [{"role", "content"}, ...]      only user turns: contents joined by a blank line; with others each turn
//                                   is headed "System: ", "Human: " or "Assistant: "
//
// One user turn is its content, byte for byte. A content is a string or a list of parts {"type": "text", "text"},
// whose texts stand one behind the other. developer is read as system; files may also have human and gpt for user
// and assistant, and from and value for role and content (ShareGPT). Strings are valid UTF-8 already (base/json.h
// refuses the rest). Errors are kInvalid; `param` is the path of the offending value, `path` being the field's own
// ("prompt"). Messages name types and roles expected and types of parts found, never text.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "rows/invalid_text.h"

namespace preferd::rows {

struct Turn {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

inline bool operator==(const Turn& a, const Turn& b) { return a.role == b.role && a.content == b.content; }

// What a field may be.
enum class Form {
  kText,  // a string: responses over HTTP
  kTurns,  // a string, or a non-empty list of {role, content} with these two keys and contents that are strings
           // or lists of {type, text}: prompts over HTTP
  kFile,  // null (= ""), a string, either list, empty lists, null contents, more keys in a turn or a
          // part: rows of files
};

Result<std::string> flatten(const Json& value, Form form, std::string_view path);

// A prompt as the one text, and as the turns that it was given in, if it was.
struct Prompt {
  std::string text;
  std::vector<Turn> turns;
};
Result<Prompt> read_prompt(const Json& value, Form form, std::string_view path);

// A non-empty list whose first element is an object: turns, if anything.
bool are_turns(const Json& value);

// The turns of such a list.
Result<std::vector<Turn>> read_turns(const Json& list, Form form, std::string_view path);

// Turns as the one text.
std::string flatten(std::span<const Turn> turns);

// LMSYS rows store turn lists as JSON text. When all three texts hold arrays of strings or nulls, of one
// equal length >= 1, each is replaced by its flattened turns and the answer is true; otherwise nothing
// changes. For readers of files only: over HTTP a text is a text. Errors, with the field: such a list holds half
// a UTF-16 pair (kError).
Result<bool> flatten_lmsys(std::string& prompt, std::string& response_a, std::string& response_b,
                           InvalidText invalid_text = InvalidText::kError);

}  // namespace preferd::rows
