#include "base/settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/numbers.h"
#include "base/settings_options.h"
#include "base/toml.h"

namespace preferd {
namespace {

using Values = std::vector<std::string>;
using Kind = Field::Kind;

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  std::string out = "'";
  out += text.substr(0, kLongest);
  out += text.size() > kLongest ? "...'" : "'";
  return out;
}

// What a file has where a field stands: the value where its type is right, else the type.
std::string found_in_file(const Field& field, const Json& value) {
  const bool number = field.kind == Kind::kInteger || field.kind == Kind::kReal;
  const bool text = field.kind == Kind::kText || field.kind == Kind::kWord;
  if (text && value.is_string()) return in_quotes(value.get_ref<const std::string&>());
  if (number && value.is_number_integer()) return in_quotes(value.dump());
  if (field.kind == Kind::kReal && value.is_number_float())
    return in_quotes(number_text(value.get<double>()));
  switch (value.type()) {
    case Json::value_t::string: return "a string";
    case Json::value_t::number_float: return "a decimal number";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::array: return "an array";
    case Json::value_t::object: return "a table";
    default: return "an integer";
  }
}

// The text of a flag or a variable as the JSON that its field takes; null where it is none.
Json json_of(const Field& field, const Values& values) {
  const std::string& text = values.front();
  const auto number = [](const auto& parsed) { return parsed ? Json(*parsed) : Json(); };
  switch (field.kind) {
    case Kind::kTexts: return values;
    case Kind::kReal: return number(parse_number<double>(text));
    case Kind::kInteger: {
      const auto natural = parse_number<std::uint64_t>(text);
      return natural ? Json(*natural) : number(parse_number<std::int64_t>(text));
    }
    case Kind::kToggle:
      if (text == "true" || text == "1") return true;
      return text == "false" || text == "0" ? Json(false) : Json();
    default: return text;
  }
}

// Any file that can be read once: a pipe too.
Result<std::string> text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char block[4096];
  while (in.read(block, sizeof block), in.gcount() > 0)
    text.append(block, static_cast<std::size_t>(in.gcount()));
  if (!in.is_open() || in.bad()) return invalid(path + ": cannot be read: " + std::strerror(errno));
  return text;
}

struct Flags {
  bool help = false, print = false;
  std::optional<std::string> config;
  std::map<std::string, Values> given;
};

class Loader {
 public:
  Loader(const Usage& usage, std::vector<Option> options) : usage_(usage), options_(std::move(options)) {}

  Result<Loaded> load(const Arguments& arguments, const Environment& environment) {
    const auto flags = parse(arguments);
    if (!flags) return flags.error();
    if (flags->help) return Loaded{.text = help_text(usage_, options_)};
    if (const Status s = read_file(*flags, environment); !s) return s.error();
    if (const Status s = read_environment(environment); !s) return s.error();
    if (const Status s = read_flags(*flags); !s) return s.error();
    if (flags->print) return Loaded{.text = config_text(options_)};
    Loaded loaded;
    for (const Option& o : options_) {
      if (o.traits.required && !o.is_set())
        return invalid(o.spelling() + " is missing: " + o.help + see_help());
      loaded.origins[o.name] = o.origin;
    }
    return loaded;
  }

 private:
  bool reads_file() const { return usage_.config == Usage::ConfigFile::kSettings; }
  std::string config_variable() const { return usage_.prefix + "CONFIG"; }
  std::string see_help() const { return "; see " + usage_.program + " --help"; }

  Result<Flags> parse(const Arguments& arguments) const {
    Flags flags;
    CLI::App app;
    app.set_help_flag();
    app.add_flag("--help,-h", flags.help);
    std::string config;
    CLI::Option* config_option = reads_file() ? app.add_option("--config", config) : nullptr;
    if (reads_file()) app.add_flag("--print-config", flags.print);
    const auto is_argument = [](const Option& o) { return o.is_argument(); };
    const bool only_flags = std::none_of(options_.begin(), options_.end(), is_argument);
    std::map<std::string, Values> lists;
    std::map<std::string, std::string> single;
    std::map<std::string, CLI::Option*> made;
    try {
      for (const Option& o : options_) {
        const std::string name = o.name, spelling = (o.is_argument() ? "" : "--") + name;
        if (o.kind == Kind::kToggle)
          made[name] = app.add_flag(spelling, [](std::int64_t) {});
        else if (o.kind == Kind::kTexts)
          made[name] = app.add_option(spelling, lists[name])->allow_extra_args(o.is_argument() || only_flags);
        else
          made[name] = app.add_option(spelling, single[name])->allow_extra_args(false);
      }
      app.parse(Arguments(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ExtrasError&) {
      const auto left = app.remaining();
      return invalid("unknown argument " + in_quotes(left.empty() ? "" : left.front()) + see_help());
    } catch (const CLI::ParseError& e) {
      return invalid(std::string(e.what()) + see_help());
    }
    if (config_option != nullptr && config_option->count() > 0) flags.config = config;
    for (const auto& [name, option] : made)
      if (option->count() > 0) flags.given[name] = option->results();
    return flags;
  }

  static Status set(Option& option, const Json& value, const std::string& found, Origin origin,
                    const std::string& source) {
    if (!option.set(value))
      return invalid(source + ": found " + (option.traits.secret ? "a value" : found) + ", expected " +
                     expected(option, kOptionWording));
    option.origin = origin;
    option.source = source;
    return Ok{};
  }

  static Status set(Option& option, const Values& values, Origin origin, const std::string& source) {
    return set(option, json_of(option, values), in_quotes(values.front()), origin, source);
  }

  // Null: there is none.
  template <class Matches>
  Option* find(Matches matches) {
    const auto it = std::find_if(options_.begin(), options_.end(),
                                 [&](const Option& o) { return o.in_layers() && matches(o); });
    return it == options_.end() ? nullptr : &*it;
  }

  Status read_file(const Flags& flags, const Environment& environment) {
    if (!reads_file()) return Ok{};
    const auto variable = environment.find(config_variable());
    const std::string path = flags.config                    ? *flags.config
                             : variable != environment.end() ? variable->second
                                                             : "";
    if (path.empty() && !flags.config) return Ok{};
    const auto text = text_of(path);
    if (!text) return text.error();
    const auto table = parse_toml(*text, path);
    if (!table) return table.error();
    std::vector<std::pair<Option*, const Json*>> found;
    for (const auto& item : table->items()) {
      found.emplace_back(find([&](const Option& o) { return o.key() == item.key(); }), &item.value());
      if (found.back().first == nullptr)
        return invalid(path + ": key '" + item.key() + "' is unknown" + see_help());
    }
    for (const auto& [option, value] : found) {
      const std::string source = path + ": key '" + option->key() + "'";
      const Status s = set(*option, *value, found_in_file(*option, *value), Origin::kFile, source);
      if (!s) return s;
    }
    return Ok{};
  }

  Status read_environment(const Environment& environment) {
    for (const auto& entry : environment) {
      const std::string &variable = entry.first, &value = entry.second;
      if (!variable.starts_with(usage_.prefix) || value.empty()) continue;
      Option* option = find([&](const Option& o) { return o.variable(usage_.prefix) == variable; });
      if (option == nullptr && !is_known(variable))
        return invalid("variable " + variable + " is unknown" + see_help());
      if (option == nullptr) continue;
      const Status s = set(*option, {value}, Origin::kEnvironment, "variable " + variable);
      if (!s) return s;
    }
    return Ok{};
  }

  bool is_known(const std::string& variable) const {
    const auto& more = usage_.more_variables;
    return variable == config_variable() || usage_.other_variables.contains(variable) ||
           std::any_of(more.begin(), more.end(), [&](const Variable& v) { return v.name == variable; });
  }

  Status read_flags(const Flags& flags) {
    for (Option& option : options_) {
      const auto found = flags.given.find(option.name);
      if (found == flags.given.end()) continue;
      const Status s = set(option, found->second, Origin::kFlag, option.spelling());
      if (!s) return s;
    }
    return Ok{};
  }

  const Usage& usage_;
  std::vector<Option> options_;
};

}  // namespace

Result<Loaded> load_settings(const Usage& usage, const std::function<void(Schema&)>& describe,
                             const Arguments& arguments, const Environment& environment) {
  return Loader(usage, options_of(describe)).load(arguments, environment);
}

std::set<std::string> variables_of(const std::function<void(Schema&)>& describe, const std::string& prefix) {
  std::set<std::string> names;
  for (const Option& o : options_of(describe))
    if (o.in_layers()) names.insert(o.variable(prefix));
  return names;
}

}  // namespace preferd
