#include "base/settings.h"

#include <unistd.h>

#include <toml++/toml.h>
#include <CLI/CLI.hpp>
#include <algorithm>

namespace preferd {
namespace {

constexpr std::string_view kPrefix = "PREFERD_";

std::string key_of(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string variable_of(const std::string& name) {
  std::string key = key_of(name);
  for (char& c : key) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return std::string(kPrefix) + key;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  std::string out = "'";
  out += text.substr(0, kLongest);
  out += text.size() > kLongest ? "...'" : "'";
  return out;
}

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + '"';
}

std::string joined(const std::vector<std::string>& values) {
  std::string out;
  for (const auto& v : values) out += (out.empty() ? "" : ", ") + toml_string(v);
  return '[' + out + ']';
}

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "an integer";
    case toml::node_type::floating_point: return "a decimal number";
    case toml::node_type::boolean: return "a boolean";
    case toml::node_type::array: return "an array";
    case toml::node_type::table: return "a table";
    default: return "a date or time";
  }
}

std::optional<std::vector<std::string>> strings_of(const toml::array& array) {
  std::vector<std::string> out;
  for (const auto& item : array) {
    if (!item.is_string()) return std::nullopt;
    out.push_back(**item.as_string());
  }
  return out;
}

std::string decimal(double value) {
  char buffer[64];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

}  // namespace

struct Settings::Parsed {
  bool help = false, print = false;
  std::optional<std::string> config;
  std::map<std::string, Values> flags;
};

Environment environment() {
  Environment out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (equals != text.npos) out.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

Settings::Settings(std::string program, std::string summary)
    : program_(std::move(program)), summary_(std::move(summary)) {}

Settings& Settings::add(Option option) {
  PREFERD_CHECK(find(option.name) == nullptr);
  options_.push_back(std::move(option));
  return *this;
}

Settings::Option* Settings::find(std::string_view name) {
  for (auto& o : options_)
    if (o.name == name) return &o;
  return nullptr;
}

Settings& Settings::text(const std::string& name, std::string& target, std::string help) {
  Option option{.name = name, .kind = Kind::kText, .help = std::move(help), .expected = "text"};
  option.show = [&target] { return target; };
  option.set = [&target](const Values& v) { return target = v.front(), true; };
  return add(std::move(option));
}

Settings& Settings::secret(const std::string& name, std::string& target, std::string help) {
  text(name, target, std::move(help));
  options_.back().is_secret = true;
  return *this;
}

Settings& Settings::list(const std::string& name, std::vector<std::string>& target, std::string help) {
  Option option{.name = name, .kind = Kind::kList, .help = std::move(help), .expected = "a list of texts"};
  option.show = [&target] { return joined(target); };
  option.set = [&target](const Values& v) { return target = v, true; };
  return add(std::move(option));
}

Settings& Settings::toggle(const std::string& name, bool& target, std::string help) {
  Option option{.name = name, .kind = Kind::kToggle, .help = std::move(help), .expected = "true or false"};
  option.show = [&target] { return target ? "true" : "false"; };
  option.set = [&target](const Values& v) {
    const std::string& word = v.front();
    if (word != "true" && word != "false" && word != "1" && word != "0") return false;
    target = word == "true" || word == "1";
    return true;
  };
  return add(std::move(option));
}

Settings& Settings::positional(const std::string& name, std::string& target, std::string help) {
  text(name, target, std::move(help));
  options_.back().is_positional = true;
  return *this;
}

Settings& Settings::positionals(const std::string& name, std::vector<std::string>& target, std::string help) {
  list(name, target, std::move(help));
  options_.back().is_positional = true;
  return *this;
}

Settings& Settings::require(const std::string& name) {
  Option* option = find(name);
  PREFERD_CHECK(option != nullptr);
  option->is_required = true;
  return *this;
}

Settings& Settings::tolerate(const std::vector<std::string>& names) {
  for (const auto& name : names) tolerated_.push_back(variable_of(name));
  return *this;
}

Result<Settings::Parsed> Settings::parse_flags(const std::vector<std::string>& arguments) const {
  Parsed parsed;
  CLI::App app;
  app.set_help_flag();
  std::string config;
  app.add_flag("--help,-h", parsed.help);
  app.add_flag("--print-config", parsed.print);
  CLI::Option* config_option = app.add_option("--config", config);
  std::map<std::string, std::string> single;
  std::map<std::string, CLI::Option*> made;
  try {
    for (const auto& o : options_) {
      const std::string spelling = (o.is_positional ? "" : "--") + o.name;
      if (o.kind == Kind::kToggle)
        made[o.name] = app.add_flag(spelling, [](std::int64_t) {});
      else if (o.kind == Kind::kList)
        made[o.name] = app.add_option(spelling, parsed.flags[o.name])->allow_extra_args(o.is_positional);
      else
        made[o.name] = app.add_option(spelling, single[o.name])->allow_extra_args(false);
    }
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ExtrasError&) {
    const auto left = app.remaining();
    return invalid("unknown argument " + in_quotes(left.empty() ? "" : left.front()) + "; see " + program_ +
                   " --help");
  } catch (const CLI::ParseError& e) {
    return invalid(std::string(e.what()) + "; see " + program_ + " --help");
  }
  if (config_option->count() > 0) parsed.config = config;
  for (const auto& [name, option] : made) {
    if (option->count() == 0)
      parsed.flags.erase(name);
    else
      parsed.flags[name] = option->results();
  }
  return parsed;
}

Status Settings::assign(Option& option, const Values& values, Origin origin, const std::string& source) {
  if (!option.set(values)) {
    const std::string found = option.is_secret ? "a value" : in_quotes(values.front());
    return invalid(source + ": found " + found + ", expected " + option.expected);
  }
  option.origin = origin;
  option.source = source;
  return Ok{};
}

Status Settings::read_file(const std::string& path) {
  toml::table table;
  try {
    table = toml::parse_file(path);
  } catch (const toml::parse_error& e) {
    const auto line = e.source().begin.line;
    return invalid(path + (line > 0 ? " line " + std::to_string(line) : "") + ": " +
                   std::string(e.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    std::string source = path;
    source.append(": key '").append(name).append("'");
    const auto option = std::find_if(options_.begin(), options_.end(), [&](const Option& o) {
      return !o.is_positional && key_of(o.name) == name;
    });
    if (option == options_.end()) return invalid(source + " is unknown; see " + program_ + " --help");
    std::optional<Values> values;
    if (option->kind == Kind::kText && node.is_string()) values = {{**node.as_string()}};
    if (option->kind == Kind::kToggle && node.is_boolean())
      values = {{**node.as_boolean() ? "true" : "false"}};
    if ((option->kind == Kind::kInteger || option->kind == Kind::kReal) && node.is_integer())
      values = {{std::to_string(**node.as_integer())}};
    if (option->kind == Kind::kReal && node.is_floating_point())
      values = {{decimal(**node.as_floating_point())}};
    if (option->kind == Kind::kList && node.is_array()) values = strings_of(*node.as_array());
    if (!values) return invalid(source + ": found " + type_name(node) + ", expected " + option->expected);
    if (const auto done = assign(*option, *values, Origin::kFile, source); !done) return done.error();
  }
  return Ok{};
}

Status Settings::read_environment(const Environment& environment) {
  for (const auto& entry : environment) {
    const std::string &variable = entry.first, &value = entry.second;
    if (!variable.starts_with(kPrefix) || variable == "PREFERD_CONFIG" || value.empty()) continue;
    const auto option = std::find_if(options_.begin(), options_.end(), [&](const Option& o) {
      return !o.is_positional && variable_of(o.name) == variable;
    });
    if (option == options_.end()) {
      if (std::find(tolerated_.begin(), tolerated_.end(), variable) != tolerated_.end()) continue;
      return invalid("variable " + variable + " is unknown; see " + program_ + " --help");
    }
    const auto done = assign(*option, {value}, Origin::kEnvironment, "variable " + variable);
    if (!done) return done.error();
  }
  return Ok{};
}

Result<Loaded> Settings::load(const std::vector<std::string>& arguments, const Environment& environment) {
  const auto parsed = parse_flags(arguments);
  if (!parsed) return parsed.error();
  if (parsed->help) return Loaded{true, help()};

  std::string config = parsed->config.value_or("");
  const auto variable = environment.find("PREFERD_CONFIG");
  if (!parsed->config && variable != environment.end()) config = variable->second;
  if (parsed->config || !config.empty())
    if (const auto done = read_file(config); !done) return done.error();
  if (const auto done = read_environment(environment); !done) return done.error();
  for (auto& option : options_) {
    const auto found = parsed->flags.find(option.name);
    if (found == parsed->flags.end()) continue;
    const std::string source = option.is_positional ? "argument " + option.name : "flag --" + option.name;
    const auto done = assign(option, found->second, Origin::kFlag, source);
    if (!done) return done.error();
  }
  if (parsed->print) return Loaded{true, print()};
  for (const auto& o : options_) {
    if (!o.is_required || o.origin != Origin::kDefault) continue;
    return invalid((o.is_positional ? "argument " + o.name : "flag --" + o.name) + " is missing: " + o.help +
                   "; see " + program_ + " --help");
  }
  return Loaded{};
}

Origin Settings::origin(const std::string& name) const {
  const Option* option = const_cast<Settings*>(this)->find(name);
  PREFERD_CHECK(option != nullptr);
  return option->origin;
}

std::string Settings::help() const {
  std::string usage = "usage: " + program_ + " [options]";
  std::string arguments, flags;
  for (const auto& o : options_) {
    if (o.is_positional) {
      usage += o.kind == Kind::kList ? " [" + o.name + " ...]" : " " + o.name;
      arguments += "  " + o.name + "\n      " + o.help + "\n";
      continue;
    }
    const std::string value = o.kind == Kind::kToggle ? "" : " <" + o.expected + ">";
    const std::string shown = o.show();
    flags += "  --" + o.name + value + "\n      " + o.help + " [" + variable_of(o.name);
    if (o.is_required)
      flags += "; required";
    else if (!o.is_secret && !shown.empty() && shown != "[]")
      flags += "; default " + shown;
    flags += "]\n";
  }
  std::string out = usage + "\n\n" + summary_ + "\n";
  if (!arguments.empty()) out += "\narguments:\n" + arguments;
  out +=
      "\noptions (flags win over environment, environment over the file, the file over defaults):\n" + flags;
  out += "  --config <file>\n      TOML file; keys are the flags' names with '_' for '-' [PREFERD_CONFIG]\n";
  out += "  --print-config\n      print every value and where it came from, then exit\n";
  out += "  --help\n      print this, then exit\n";
  return out;
}

std::string Settings::print() const {
  std::string out;
  for (const auto& o : options_) {
    if (o.is_positional) continue;
    std::string shown = o.show();
    if (o.is_secret && !shown.empty()) shown = "***";
    if (o.kind == Kind::kText) shown = toml_string(shown);
    out += key_of(o.name) + " = " + shown;
    out += "  # " + (o.origin == Origin::kDefault ? "default" : o.source) + "\n";
  }
  return out;
}

}  // namespace preferd
