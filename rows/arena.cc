#include "rows/arena.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "rows/turns.h"

namespace preferd::rows {
namespace {

constexpr std::array<const char*, 2> kForm = {"conversation_a", "conversation_b"};
constexpr std::array<const char*, 4> kOther = {"response_a", "response_b", "chosen", "rejected"};

bool present(const Json& fields, const char* key) {
  const auto it = fields.find(key);
  return it != fields.end() && !it->is_null();
}

Result<std::vector<Turn>> conversation(const Json& fields, const char* key) {
  const std::string name = key;
  if (!present(fields, key)) return invalid(name + " is missing", name);
  const Json& value = fields[key];
  if (!are_turns(value))
    return invalid(name + ": found " + (value.is_array() ? "a list without turns" : value.type_name()) +
                       ", expected a list of {role, content} turns",
                   name);
  auto turns = read_turns(value, Form::kFile, name);
  if (turns && turns->back().role != "assistant")
    return invalid(name + ": the last turn is the " + turns->back().role + "'s, expected the assistant's",
                   name);
  return turns;
}

}  // namespace

bool is_arena(const Json& fields) { return present(fields, kForm[0]) || present(fields, kForm[1]); }

Status arena_to_pair(Json& fields) {
  for (const char* key : kOther)
    if (present(fields, key))
      return invalid(std::string(key) + " stands beside conversation_a and conversation_b, expected one form",
                     key);
  auto a = conversation(fields, kForm[0]), b = conversation(fields, kForm[1]);
  if (!a) return a.error();
  if (!b) return b.error();
  const auto [at_a, at_b] = std::mismatch(a->begin(), a->end(), b->begin(), b->end());
  const auto asked = std::find_if(a->begin(), at_a, [](const Turn& turn) { return turn.role == "user"; });
  if (std::equal(a->begin(), a->end() - 1, b->begin(), b->end() - 1)) {
    const Json& turns = fields[kForm[0]];
    fields["prompt"] = Json(Json::array_t(turns.begin(), turns.end() - 1));
    fields["response_a"] = std::move(a->back().content);
    fields["response_b"] = std::move(b->back().content);
  } else if (asked != at_a && at_a != a->end() && at_b != b->end() && at_a->role == "assistant" &&
             at_b->role == "assistant") {
    const auto size = asked - a->begin() + 1;
    const Json& turns = fields[kForm[0]];
    fields["prompt"] = Json(Json::array_t(turns.begin(), turns.begin() + size));
    fields["response_a"] = flatten(std::span(*a).subspan(static_cast<std::size_t>(size)));
    fields["response_b"] = flatten(std::span(*b).subspan(static_cast<std::size_t>(size)));
  } else {
    return invalid(
        "conversation_b[" + std::to_string(at_b - b->begin()) +
            "]: differs from conversation_a before the answers, expected the same prompt on both sides",
        kForm[1]);
  }
  for (const char* key : kForm) fields.erase(key);
  return Ok{};
}

}  // namespace preferd::rows
