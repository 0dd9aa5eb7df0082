#include "rows/preference.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>

#include "base/sha256.h"
#include "rows/turns.h"

namespace preferd::rows {
namespace {

constexpr std::array<const char*, 2> kForm = {"chosen", "rejected"};
constexpr std::size_t kTexts = 2;  // of kOther
constexpr std::string_view kHuman = "\n\nHuman:", kAssistant = "\n\nAssistant:";
constexpr std::array<const char*, 8> kOther = {"response_a",     "response_b", "winner", "winner_model_a",
                                               "winner_model_b", "winner_tie", "p_b",    "p_tie"};

const Json* present(const Json& fields, const char* key) {
  const auto it = fields.find(key);
  return it == fields.end() || it->is_null() ? nullptr : &*it;
}

bool are_conversations(const Json& one, const Json& other) {
  return are_turns(one) && are_turns(other) && one.size() > 1 && other.size() > 1;
}

// The turns before the answer that a conversation ends with.
Json before_answer(const Json& turns) { return Json(Json::array_t(turns.begin(), turns.end() - 1)); }

bool is_the_prompt(std::span<const Turn> turns, const Json& prompt) {
  if (prompt.is_string())
    return turns.size() == 1 && turns[0].role == "user" &&
           turns[0].content == prompt.get_ref<const std::string&>();
  if (!are_turns(prompt)) return false;
  const auto asked = read_turns(prompt, Form::kFile, "prompt");
  return asked && std::equal(turns.begin(), turns.end(), asked->begin(), asked->end());
}

// The answer of a list of turns, whose others must be `prompt`.
Result<Json> answer_of(const Json& value, const Json& prompt, const std::string& key) {
  if (!are_turns(value)) return value;
  for (const Json& turn : value)
    if (!turn.is_object()) return invalid(key + ": a turn is not an object, expected {role, content}", key);
  auto turns = read_turns(value, Form::kFile, key);
  if (!turns) return turns.error();
  Turn answer = std::move(turns->back());
  turns->pop_back();
  if (answer.role != "assistant")
    return invalid(key + ": the last turn is not the assistant's, expected the answer there", key);
  if (!turns->empty() && !is_the_prompt(*turns, prompt))
    return invalid(key + ": the turns before the answer are not those of prompt, expected the same", key);
  if (const auto raw = value.back().find("content"); raw != value.back().end() && raw->is_null())
    return Json();
  return Json(std::move(answer.content));
}

// Of two conversations.
Result<Json> shared_turns(const Json& one, const Json& other) {
  const auto turns = read_turns(one, Form::kFile, kForm[0]),
             others = read_turns(other, Form::kFile, kForm[1]);
  if (!turns) return turns.error();
  if (!others) return others.error();
  const auto most = static_cast<std::ptrdiff_t>(std::min(one.size(), other.size()) - 1);
  const auto shared = static_cast<std::size_t>(
      std::mismatch(turns->begin(), turns->begin() + most, others->begin()).first - turns->begin());
  if (shared == 0)
    return invalid(
        "prompt is missing, and the first turns of chosen and rejected differ, expected a shared one to be "
        "the "
        "prompt",
        "prompt");
  for (const auto& [key, list] : {std::pair{kForm[0], &one}, std::pair{kForm[1], &other}})
    if (list->size() != shared + 1)
      return invalid(std::string(key) + ": " + std::to_string(list->size() - shared) + " turns follow the " +
                         std::to_string(shared) +
                         " that chosen and rejected share, expected one, the assistant's answer",
                     key);
  return before_answer(one);
}

// Takes what two transcripts share off their fronts.
Result<Json> shared_text(Json& one, Json& other) {
  auto& a = one.get_ref<std::string&>();
  auto& b = other.get_ref<std::string&>();
  const auto common =
      static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  const std::size_t at = std::string_view(a).substr(0, common).rfind(kAssistant);
  if (!a.starts_with(kHuman) || at == std::string::npos)
    return invalid(
        "prompt is missing, and chosen and rejected do not begin with the same \"\\n\\nHuman: "
        "...\\n\\nAssistant:\", expected either",
        "prompt");
  const std::size_t size = at + kAssistant.size();
  Json prompt = a.substr(0, size);
  a.erase(0, size);
  b.erase(0, size);
  return prompt;
}

// Where the row has none. May shorten chosen and rejected.
Result<Json> prompt_of(Json& chosen, Json& rejected) {
  if (are_conversations(chosen, rejected)) return shared_turns(chosen, rejected);
  if (chosen.is_string() && rejected.is_string()) return shared_text(chosen, rejected);
  for (const Json* side : {&chosen, &rejected})
    if (are_turns(*side) && side->size() > 1) return before_answer(*side);
  return invalid("prompt is missing", "prompt");
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

Status preference_to_pair(Json& fields, Sides sides) {
  const std::size_t others = sides == Sides::kHashed ? kOther.size() : kTexts;
  for (std::size_t i = 0; i < others; ++i)
    if (present(fields, kOther[i]) != nullptr)
      return invalid(std::string(kOther[i]) +
                         " stands beside chosen and rejected, expected these two alone, or response_a, "
                         "response_b" +
                         (sides == Sides::kHashed ? " and a label" : ""),
                     kOther[i]);
  for (const char* key : kForm)
    if (present(fields, key) == nullptr) return invalid(std::string(key) + " is missing", key);
  auto prompt = present(fields, "prompt") != nullptr ? Result<Json>(fields["prompt"])
                                                     : prompt_of(fields["chosen"], fields["rejected"]);
  if (!prompt) return prompt.error();
  auto chosen = answer_of(fields["chosen"], *prompt, "chosen");
  if (!chosen) return chosen.error();
  auto rejected = answer_of(fields["rejected"], *prompt, "rejected");
  if (!rejected) return rejected.error();
  bool first = true;
  if (sides == Sides::kHashed) {
    const Sha256 one = place_of(*prompt, *chosen), other = place_of(*prompt, *rejected);
    first = one == other ? one.back() % 2 == 0 : one < other;
    for (const char* key : kOther) fields.erase(key);
    fields["winner"] = first ? "model_a" : "model_b";
  }
  fields["prompt"] = std::move(*prompt);
  fields[first ? "response_a" : "response_b"] = std::move(*chosen);
  fields[first ? "response_b" : "response_a"] = std::move(*rejected);
  for (const char* key : kForm) fields.erase(key);
  return Ok{};
}

}  // namespace preferd::rows
