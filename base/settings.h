// Typed settings of one command, gathered in layers: flags > environment > TOML file > defaults.
//
//   ServeOptions o;
//   Settings s("preferd serve", "Answers over HTTP which of two responses people prefer.");
//   s.integer("port", o.port, 1, 65535, "TCP port to listen on");
//   s.choice("log-level", o.level, {{"info", Level::kInfo}, {"debug", Level::kDebug}}, "what is logged");
//   s.secret("api-key", o.api_key, "key that clients send, or @FILE");
//   const auto loaded = s.load({argv + 1, argv + argc}, environment());
//   if (!loaded) { print loaded.error().what to stderr; exit 2; }
//   if (loaded->stop) { print loaded->text to stdout; exit 0; }
//
// One declaration makes three spellings: flag `--max-items`, variable `PREFERD_MAX_ITEMS`, TOML key
// `max_items` (underscores only, top level). The target's value at declaration is the default. Targets are
// borrowed: they must outlive load(), and hold the result after it.
//
// Every command also has --help, --config FILE (PREFERD_CONFIG) and --print-config. A later layer replaces an
// earlier one whole (lists are not joined), but every layer is checked. A variable that is set to nothing
// counts as absent. Toggles are written `--flag`, `--flag=true`, `--flag=false`; their texts are true, false,
// 1 and 0.
//
// Errors, all kInvalid and meant for exit code 2: an unknown flag, variable with the prefix or key; a bad
// value; a required option that is absent; a file that is unreadable or no TOML. The sentence names the flag,
// variable, or file and key; what was found; what was expected. Secrets are never quoted.
//
// Nothing is printed. One thread.
#pragma once

#include <charconv>
#include <concepts>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace preferd {

using Environment = std::map<std::string, std::string>;

// The process's own.
Environment environment();

enum class Origin { kDefault, kFile, kEnvironment, kFlag };

struct Loaded {
  bool stop = false;  // --help or --print-config was asked: print `text` and exit 0
  std::string text;
};

// `text` as a whole number or decimal of type T, all of it; nothing else.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Settings {
 public:
  // `program` as the user types it, for --help.
  Settings(std::string program, std::string summary);

  // Names are lower case words joined by '-'. Help is one phrase without a full stop.
  Settings& text(const std::string& name, std::string& target, std::string help);
  Settings& secret(const std::string& name, std::string& target, std::string help);  // shown as "***"
  Settings& list(const std::string& name, std::vector<std::string>& target, std::string help);  // repeatable
  Settings& toggle(const std::string& name, bool& target, std::string help);

  // low <= value <= high.
  template <std::integral T>
  Settings& integer(const std::string& name, T& target, std::type_identity_t<T> low,
                    std::type_identity_t<T> high, std::string help) {
    return number(name, Kind::kInteger, target, low, high, "an integer", std::move(help));
  }
  template <std::floating_point T>
  Settings& real(const std::string& name, T& target, std::type_identity_t<T> low,
                 std::type_identity_t<T> high, std::string help) {
    return number(name, Kind::kReal, target, low, high, "a number", std::move(help));
  }

  // One of the given words.
  template <class E>
  Settings& choice(const std::string& name, E& target,
                   std::type_identity_t<std::vector<std::pair<std::string, E>>> words, std::string help) {
    std::string expected;
    for (const auto& [word, value] : words) expected += (expected.empty() ? "" : "|") + word;
    Option option{.name = name, .kind = Kind::kText, .help = std::move(help), .expected = expected};
    option.show = [&target, words]() -> std::string {
      for (const auto& [word, value] : words)
        if (value == target) return word;
      return {};
    };
    option.set = [&target, words](const Values& found) {
      for (const auto& [word, value] : words)
        if (word == found.front()) return target = value, true;
      return false;
    };
    return add(std::move(option));
  }

  // Arguments without a flag, in order of declaration; flags only, never from file or environment.
  Settings& positional(const std::string& name, std::string& target, std::string help);
  Settings& positionals(const std::string& name, std::vector<std::string>& target, std::string help);

  // The option or positional must be given in some layer.
  Settings& require(const std::string& name);

  // Variables that other commands of the same program know: present in the environment, they are no error
  // here.
  Settings& tolerate(const std::vector<std::string>& names);

  // `arguments` without the program's name. Call once.
  Result<Loaded> load(const std::vector<std::string>& arguments, const Environment& environment);

  // After load(): where the value came from.
  Origin origin(const std::string& name) const;

 private:
  using Values = std::vector<std::string>;
  enum class Kind { kText, kInteger, kReal, kToggle, kList };

  struct Option {
    std::string name;
    Kind kind = Kind::kText;
    std::string help;
    std::string expected;  // "an integer from 1 to 65535"
    bool is_secret = false;
    bool is_positional = false;
    bool is_required = false;
    std::function<bool(const Values&)> set{};  // false: not what is expected
    std::function<std::string()> show{};       // as TOML without quotes
    Origin origin = Origin::kDefault;
    std::string source{};  // "flag --port", "variable PREFERD_PORT", "serve.toml"
  };

  template <class T>
  Settings& number(const std::string& name, Kind kind, T& target, T low, T high, const std::string& what,
                   std::string help) {
    Option option{.name = name,
                  .kind = kind,
                  .help = std::move(help),
                  .expected = what + " from " + plain(low) + " to " + plain(high)};
    option.show = [&target] { return plain(target); };
    option.set = [&target, low, high](const Values& found) {
      const auto value = parse_number<T>(found.front());
      if (!value || !(*value >= low && *value <= high)) return false;
      target = *value;
      return true;
    };
    return add(std::move(option));
  }

  template <class T>
  static std::string plain(T value) {
    char buffer[64];
    return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
  }

  struct Parsed;  // what the flag parser found

  Settings& add(Option option);
  Option* find(std::string_view name);
  Result<Parsed> parse_flags(const std::vector<std::string>& arguments) const;
  Status assign(Option& option, const Values& values, Origin origin, const std::string& source);
  Status read_file(const std::string& path);
  Status read_environment(const Environment& environment);
  std::string help() const;
  std::string print() const;

  std::string program_, summary_;
  std::vector<Option> options_;
  std::vector<std::string> tolerated_;
};

}  // namespace preferd
