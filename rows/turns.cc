#include "rows/turns.h"

#include <algorithm>
#include <array>

namespace preferd::rows {
namespace {

constexpr std::string_view kBlankLine = "\n\n";

struct Role {
  std::string_view name, heading;
};
constexpr std::array<Role, 3> kRoles = {
    {{"system", "System: "}, {"user", "Human: "}, {"assistant", "Assistant: "}}};

struct Alias {
  std::string_view name, role;
};
constexpr Alias kDeveloper = {"developer", "system"};
constexpr std::array<Alias, 3> kOfFiles = {{kDeveloper, {"human", "user"}, {"gpt", "assistant"}}};

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

std::span<const Alias> aliases(Form form) {
  return form == Form::kFile ? std::span<const Alias>(kOfFiles) : std::span(&kDeveloper, 1);
}

// The role that is meant; empty: none.
std::string_view role_of(const Json& value, Form form) {
  if (!value.is_string()) return {};
  const std::string_view name = value.get_ref<const std::string&>();
  for (const Role& role : kRoles)
    if (role.name == name) return role.name;
  for (const Alias& alias : aliases(form))
    if (alias.name == name) return alias.role;
  return {};
}

std::string roles(Form form) {
  std::string names;
  for (const Role& role : kRoles) names.append(names.empty() ? "" : ", ").append(role.name);
  for (const Alias& alias : aliases(form)) names.append(", ").append(alias.name);
  return names;
}

// The member of that name, or in files of the other name; null: there is none.
const Json* find(const Json& turn, Form form, const char* name, const char* of_files) {
  auto found = turn.find(name);
  if (found == turn.end() && form == Form::kFile) found = turn.find(of_files);
  return found == turn.end() ? nullptr : &*found;
}

// As it is where it is a word, which no text of a person's is.
std::string shown_type(const Json* type) {
  if (type == nullptr) return "nothing";
  if (!type->is_string()) return type->type_name();
  const auto& name = type->get_ref<const std::string&>();
  const bool word = !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z');
  });
  return word ? name : "another";
}

Status read_part(const Json& part, Form form, const std::string& path, std::string& content) {
  if (!part.is_object()) return wrong(part, "an object with type and text", path);
  const Json* type = find(part, form, "type", "type");
  if (type == nullptr || *type != "text")
    return invalid(path + ".type: found " + shown_type(type) + ", expected text", path + ".type");
  const Json* text = find(part, form, "text", "text");
  if (text == nullptr) return invalid(path + ".text: missing, expected a string", path + ".text");
  if (!text->is_string() && !(form == Form::kFile && text->is_null()))
    return wrong(*text, "a string", path + ".text");
  if (form == Form::kTurns && part.size() != 2)
    return invalid(path + ": a part has type and text, nothing else", path);
  content += text_of(*text);
  return Ok{};
}

Result<std::string> read_content(const Json& content, Form form, const std::string& path) {
  if (content.is_string() || (form == Form::kFile && content.is_null())) return std::string(text_of(content));
  if (!content.is_array()) return wrong(content, "a string or a list of text parts", path);
  if (content.empty() && form != Form::kFile)
    return invalid(path + ": an empty list, expected at least one text part", path);
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i)
    if (const Status status = read_part(content[i], form, member(path, i), text); !status)
      return status.error();
  return text;
}

Result<Turn> read_turn(const Json& turn, Form form, std::string_view path, std::size_t i) {
  if (!turn.is_object()) return wrong(turn, "an object with role and content", member(path, i));
  const Json* role = find(turn, form, "role", "from");
  const std::string_view meant = role == nullptr ? std::string_view() : role_of(*role, form);
  if (meant.empty()) {
    const auto at = member(path, i, "role");
    return invalid(at + ": expected one of " + roles(form), at);
  }
  const Json* content = find(turn, form, "content", "value");
  const std::string at = member(path, i, "content");
  if (content == nullptr) return invalid(at + ": missing, expected a string", at);
  auto text = read_content(*content, form, at);
  if (!text) return text.error();
  if (form == Form::kTurns && turn.size() != 2)
    return invalid(member(path, i) + ": a turn has role and content, nothing else", member(path, i));
  return Turn{std::string(meant), std::move(*text)};
}

}  // namespace

bool are_turns(const Json& value) { return value.is_array() && !value.empty() && value.front().is_object(); }

Result<std::vector<Turn>> read_turns(const Json& list, Form form, std::string_view path) {
  std::vector<Turn> turns;
  for (std::size_t i = 0; i < list.size(); ++i) {
    auto turn = read_turn(list[i], form, path, i);
    if (!turn) return turn.error();
    turns.push_back(std::move(*turn));
  }
  return turns;
}

std::string flatten(std::span<const Turn> turns) {
  const bool only_user =
      std::all_of(turns.begin(), turns.end(), [](const Turn& turn) { return turn.role == "user"; });
  std::string out;
  for (const Turn& turn : turns) {
    if (&turn != &turns.front()) out += kBlankLine;
    for (const Role& role : kRoles)
      if (!only_user && role.name == turn.role) out += role.heading;
    out += turn.content;
  }
  return out;
}

Result<std::string> flatten(const Json& value, Form form, std::string_view path) {
  auto prompt = read_prompt(value, form, path);
  if (!prompt) return prompt.error();
  return std::move(prompt->text);
}

Result<Prompt> read_prompt(const Json& value, Form form, std::string_view path) {
  if (value.is_string()) return Prompt{value.get_ref<const std::string&>(), {}};
  if (form == Form::kFile && value.is_null()) return Prompt{};
  if (form == Form::kText || !value.is_array()) return wrong(value, expected(form), std::string(path));
  if (form == Form::kFile && is_lmsys(value)) return Prompt{join(value), {}};
  if (value.empty())
    return invalid(std::string(path) + ": an empty list, expected at least one turn", std::string(path));
  auto turns = read_turns(value, form, path);
  if (!turns) return turns.error();
  return Prompt{flatten(*turns), std::move(*turns)};
}

Result<bool> flatten_lmsys(std::string& prompt, std::string& response_a, std::string& response_b,
                           InvalidText invalid_text) {
  const std::array<std::string*, 3> fields = {&prompt, &response_a, &response_b};
  constexpr std::array<const char*, 3> names = {"prompt", "response_a", "response_b"};
  for (const auto* field : fields)
    if (field->find('[') == std::string::npos) return false;
  std::array<Json, 3> lists;
  const char* broken = nullptr;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    auto [parsed, mended] = parse_mended(*fields[i]);
    if (!parsed || !parsed->is_array() || parsed->empty() || !is_lmsys(*parsed)) return false;
    if (mended && broken == nullptr) broken = names[i];
    lists[i] = *std::move(parsed);
    if (lists[i].size() != lists[0].size()) return false;
  }
  if (broken != nullptr && invalid_text == InvalidText::kError) return lone_surrogate(broken);
  for (std::size_t i = 0; i < fields.size(); ++i) *fields[i] = join(lists[i]);
  return true;
}

}  // namespace preferd::rows
