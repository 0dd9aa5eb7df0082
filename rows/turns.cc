#include "rows/turns.h"

#include <array>
#include <optional>

namespace preferd::rows {
namespace {

constexpr std::string_view kBlankLine = "\n\n";

struct Role {
  std::string_view name, heading;
};
constexpr std::array<Role, 3> kRoles = {
    {{"system", "System: "}, {"user", "Human: "}, {"assistant", "Assistant: "}}};

std::string member(std::string_view path, std::size_t index, std::string_view name = {}) {
  std::string out = std::string(path) + '[' + std::to_string(index) + ']';
  if (!name.empty()) out.append(1, '.').append(name);
  return out;
}

std::string expected(Form form) {
  switch (form) {
    case Form::kText: return "a string";
    case Form::kTurns: return "a string or a list of {role, content} turns";
    case Form::kFile: return "text, a list of texts or a list of {role, content} turns";
  }
  return {};
}

Error wrong(const Json& value, const std::string& what, const std::string& path) {
  return invalid(path + ": found " + value.type_name() + ", expected " + what, path);
}

bool is_text_or_null(const Json& v) { return v.is_string() || v.is_null(); }

bool is_lmsys(const Json& list) {
  for (const auto& v : list)
    if (!is_text_or_null(v)) return false;
  return true;
}

std::string_view text_of(const Json& v) {
  if (v.is_null()) return {};
  return v.get_ref<const std::string&>();
}

std::string join(const Json& list) {
  std::string out;
  for (const auto& v : list) {
    if (&v != &list.front()) out += kBlankLine;
    out += text_of(v);
  }
  return out;
}

const Role* role_of(const Json& turn) {
  const auto found = turn.find("role");
  if (found == turn.end() || !found->is_string()) return nullptr;
  for (const auto& role : kRoles)
    if (role.name == found->get_ref<const std::string&>()) return &role;
  return nullptr;
}

std::optional<Error> fault(const Json& turn, Form form, std::string_view path, std::size_t i) {
  if (!turn.is_object()) return wrong(turn, "an object with role and content", member(path, i));
  if (role_of(turn) == nullptr) {
    const auto at = member(path, i, "role");
    return invalid(at + ": expected one of system, user, assistant", at);
  }
  const auto content = turn.find("content");
  const bool missing = content == turn.end();
  if (missing || !(content->is_string() || (form == Form::kFile && content->is_null()))) {
    const auto at = member(path, i, "content");
    return invalid(at + ": " + (missing ? "missing" : std::string("found ") + content->type_name()) +
                       ", expected a string",
                   at);
  }
  if (form == Form::kTurns && turn.size() != 2)
    return invalid(member(path, i) + ": a turn has role and content, nothing else", member(path, i));
  return std::nullopt;
}

}  // namespace

Result<std::string> flatten(const Json& value, Form form, std::string_view path) {
  if (value.is_string()) return value.get_ref<const std::string&>();
  if (form == Form::kFile && value.is_null()) return std::string();
  if (form == Form::kText || !value.is_array()) return wrong(value, expected(form), std::string(path));
  if (form == Form::kFile && is_lmsys(value)) return join(value);
  if (value.empty())
    return invalid(std::string(path) + ": an empty list, expected at least one turn", std::string(path));

  bool only_user = true;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (auto error = fault(value[i], form, path, i)) return *std::move(error);
    only_user = only_user && role_of(value[i])->name == "user";
  }
  std::string out;
  for (const auto& turn : value) {
    if (&turn != &value.front()) out += kBlankLine;
    if (!only_user) out += role_of(turn)->heading;
    out += text_of(turn["content"]);
  }
  return out;
}

Result<Prompt> read_prompt(const Json& value, Form form, std::string_view path) {
  auto text = flatten(value, form, path);
  if (!text) return text.error();
  Prompt prompt{std::move(*text), {}};
  if (value.is_array() && !value.empty() && value.front().is_object())
    for (const auto& turn : value)
      prompt.turns.push_back({std::string(role_of(turn)->name), std::string(text_of(turn["content"]))});
  return prompt;
}

bool flatten_lmsys(std::string& prompt, std::string& response_a, std::string& response_b) {
  const std::array<std::string*, 3> fields = {&prompt, &response_a, &response_b};
  for (const auto* field : fields)
    if (field->find('[') == std::string::npos) return false;
  std::array<Json, 3> lists;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    auto parsed = parse_json(*fields[i]);
    if (!parsed || !parsed->is_array() || parsed->empty() || !is_lmsys(*parsed)) return false;
    lists[i] = *std::move(parsed);
    if (lists[i].size() != lists[0].size()) return false;
  }
  for (std::size_t i = 0; i < fields.size(); ++i) *fields[i] = join(lists[i]);
  return true;
}

}  // namespace preferd::rows
