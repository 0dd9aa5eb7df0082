// Reads what a command is told in layers: flags > environment > TOML file > defaults.
//
//   ServeOptions o;
//   const auto loaded = load_settings({.program = "preferd serve", .summary = "Answers over HTTP."},
//                                     [&](Schema& s) { describe(s, o); }, {argv + 1, argv + argc}, environment());
//   if (!loaded) { print loaded.error().what to stderr; exit 2; }
//   if (loaded->text) { print *loaded->text to stdout; exit 0; }
//
// One declaration (schema.h) makes three spellings: flag `--max-items`, variable `PREFERD_MAX_ITEMS`, TOML key
// `max_items` (underscores only, top level). Declarations for commands are flat: no sections, no tables.
//
// Every command also has --help, --config FILE (PREFERD_CONFIG) and --print-config. A later layer replaces an
// earlier one whole (lists are not joined), but every layer is checked. A variable that is set to nothing
// counts as absent. Toggles are written `--flag`, `--flag=true`, `--flag=false`; their texts are true, false,
// 1 and 0. Behind the flag of a list stand one or more values, and it may be repeated; beside arguments
// without a flag each value needs its own.
//
// Errors, all kInvalid and meant for exit code 2: an unknown flag, variable with the prefix or key; a bad
// value; a file that is unreadable or no TOML; a required option that is absent, last of all. The sentence
// names the flag, variable, or file and key; what was found; what was expected. Secrets are never quoted.
//
// Nothing is printed. One thread.
//
// By hand: CLI11 splits the arguments and does no more. Its own layers let a file win over the environment (in
// 2.1), know no unknown variables, and do not say where a value came from.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/environment.h"
#include "base/result.h"
#include "base/schema.h"

namespace preferd {

using Arguments = std::vector<std::string>;  // without the program's name

enum class Origin { kDefault, kFile, kEnvironment, kFlag };

// A variable that no flag stands for.
struct Variable {
  std::string name, help;
};

// How a command presents itself.
struct Usage {
  // kOwn: the command declares what --config and --print-config are to it.
  enum class ConfigFile { kSettings, kOwn };

  std::string program;  // as the user types it
  std::string summary;
  std::string prefix = "PREFERD_";  // of its variables
  ConfigFile config = ConfigFile::kSettings;
  std::function<std::string()> footer{};    // of --help
  std::vector<Variable> more_variables{};   // listed in --help; whoever asks for them reads them
  std::set<std::string> other_variables{};  // of other commands of the program: no error here
};

struct Loaded {
  std::optional<std::string> text{};  // --help or --print-config was asked: print it and exit 0
  std::map<std::string, Origin> origins{};

  Origin origin(const std::string& name) const { return origins.at(name); }
  bool given(const std::string& name) const { return origin(name) != Origin::kDefault; }
};

Result<Loaded> load_settings(const Usage& usage, const std::function<void(Schema&)>& describe,
                             const Arguments& arguments, const Environment& environment);

// The variables that a declaration makes.
std::set<std::string> variables_of(const std::function<void(Schema&)>& describe, const std::string& prefix);

}  // namespace preferd
