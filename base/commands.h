// A program of several commands, each declared once: its options (schema.h) and what it does.
//
//   struct CompareOptions { ... };
//   void describe(Schema& s, CompareOptions& o);
//   int compare(CompareOptions& o, const Loaded& loaded);
//
//   Commands preferd("preferd", "PREFERD_", {command<CompareOptions>({.name = "compare", ...}, compare)}, {});
//
// One environment (a container's, say) serves all commands of a program: a variable that any of them declares
// is known to each. Nothing is printed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/settings.h"

namespace preferd {

struct CommandText {
  std::string name;     // "compare"
  std::string summary;  // one line, for the list of commands
  std::string about;    // for its own --help
  Usage::ConfigFile config = Usage::ConfigFile::kSettings;
  std::function<std::string()> footer{};  // of its own --help
};

// Text to print, or what to do. `run` returns the exit code.
struct Started {
  std::optional<std::string> text{};
  std::function<int()> run{};
};

struct Command {
  CommandText text;
  std::function<void(Schema&)> describe;  // its options at their defaults
  std::function<Result<Started>(const Usage&, const Arguments&, const Environment&)> start;
};

// `Options` has a function describe(Schema&, Options&) in its own namespace.
template <class Options>
Command command(CommandText text, std::function<int(Options&, const Loaded&)> run) {
  const auto start = [run](const Usage& usage, const Arguments& arguments,
                           const Environment& environment) -> Result<Started> {
    const auto options = std::make_shared<Options>();
    auto loaded = load_settings(
        usage, [&](Schema& s) { describe(s, *options); }, arguments, environment);
    if (!loaded) return loaded.error();
    if (loaded->text) return Started{.text = loaded->text};
    return Started{.run = [run, options, loaded = *loaded] { return run(*options, loaded); }};
  };
  const auto defaults = [](Schema& s) {
    Options options;
    describe(s, options);
  };
  return {std::move(text), defaults, start};
}

class Commands {
 public:
  // `variables`: those that every command goes by, and that no option stands for.
  Commands(std::string program, std::string prefix, std::vector<Command> commands,
           std::vector<Variable> variables);

  // A line each, for the program's --help.
  std::string list() const;

  // Null: there is none of this name.
  const Command* find(const std::string& name) const;
  Error unknown(const std::string& name) const;

  // Reads the arguments behind the command's name. Errors: settings.h.
  Result<Started> start(const Command& command, const Arguments& arguments,
                        const Environment& environment) const;

 private:
  std::string program_, prefix_;
  std::vector<Command> commands_;
  std::vector<Variable> variables_;
};

}  // namespace preferd
