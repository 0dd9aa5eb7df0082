#include "rows/preference.h"

#include <array>
#include <string>

#include "base/sha256.h"
#include "rows/turns.h"

namespace preferd::rows {
namespace {

constexpr std::array<const char*, 2> kForm = {"chosen", "rejected"};
constexpr std::array<const char*, 8> kOther = {"response_a",     "response_b", "winner", "winner_model_a",
                                               "winner_model_b", "winner_tie", "p_b",    "p_tie"};

const Json* present(const Json& fields, const char* key) {
  const auto it = fields.find(key);
  return it == fields.end() || it->is_null() ? nullptr : &*it;
}

bool are_turns(const Json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

// The turns before the answer that a conversation ends with.
Json before_answer(const Json& turns) { return Json(Json::array_t(turns.begin(), turns.end() - 1)); }

// Roles and contents alone: data sets put other keys into turns.
Json plain(const Json& turns) {
  Json out = Json::array();
  for (const Json& turn : turns)
    out.push_back({{"role", turn.value("role", Json())}, {"content", turn.value("content", Json())}});
  return out;
}

bool is_the_prompt(const Json& turns, const Json& prompt) {
  if (prompt.is_string())
    return turns.size() == 1 && turns[0].value("role", Json()) == "user" &&
           turns[0].value("content", Json()) == prompt;
  return are_turns(prompt) && plain(turns) == plain(prompt);
}

// The answer of a list of turns, whose others must be `prompt`.
Result<Json> answer_of(const Json& value, const Json& prompt, const std::string& key) {
  if (!are_turns(value)) return value;
  for (const Json& turn : value)
    if (!turn.is_object()) return invalid(key + ": a turn is not an object, expected {role, content}", key);
  if (value.back().value("role", Json()) != "assistant" || !value.back().contains("content"))
    return invalid(key + ": the last turn is not the assistant's, expected the answer there", key);
  if (value.size() > 1 && !is_the_prompt(before_answer(value), prompt))
    return invalid(key + ": the turns before the answer are not those of prompt, expected the same", key);
  return value.back().at("content");
}

Sha256 place_of(const Json& prompt, const Json& answer) {
  const auto text = [](const Json& v) {
    return v.is_string() ? v.get<std::string>() : v.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  return sha256(text(prompt) + '\0' + text(answer));
}

}  // namespace

bool is_preference(const Json& fields) {
  return present(fields, "chosen") != nullptr || present(fields, "rejected") != nullptr;
}

Status to_pair(Json& fields) {
  for (const char* key : kOther)
    if (present(fields, key) != nullptr)
      return invalid(std::string(key) +
                         " stands beside chosen and rejected, expected these two alone, or response_a, "
                         "response_b and a label",
                     key);
  for (const char* key : kForm)
    if (present(fields, key) == nullptr) return invalid(std::string(key) + " is missing", key);
  const Json& longest = fields["chosen"];
  Json prompt = present(fields, "prompt") != nullptr       ? fields["prompt"]
                : are_turns(longest) && longest.size() > 1 ? before_answer(longest)
                                                           : Json();
  if (prompt.is_null()) return invalid("prompt is missing", "prompt");
  auto chosen = answer_of(fields["chosen"], prompt, "chosen");
  if (!chosen) return chosen.error();
  auto rejected = answer_of(fields["rejected"], prompt, "rejected");
  if (!rejected) return rejected.error();
  const Sha256 one = place_of(prompt, *chosen), other = place_of(prompt, *rejected);
  const bool first = one == other ? one.back() % 2 == 0 : one < other;
  for (const char* key : kOther) fields.erase(key);
  fields["prompt"] = std::move(prompt);
  fields[first ? "response_a" : "response_b"] = std::move(*chosen);
  fields[first ? "response_b" : "response_a"] = std::move(*rejected);
  fields["winner"] = first ? "model_a" : "model_b";
  for (const char* key : kForm) fields.erase(key);
  return Ok{};
}

}  // namespace preferd::rows
