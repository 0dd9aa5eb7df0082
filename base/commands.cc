#include "base/commands.h"

namespace preferd {

Commands::Commands(std::string program, std::string prefix, std::vector<Command> commands,
                   std::vector<Variable> variables)
    : program_(std::move(program)),
      prefix_(std::move(prefix)),
      commands_(std::move(commands)),
      variables_(std::move(variables)) {}

std::string Commands::list() const {
  constexpr std::size_t kColumn = 8;
  std::string out;
  for (const Command& c : commands_) {
    std::string name = c.text.name;
    if (name.size() < kColumn) name.resize(kColumn, ' ');
    out += "  " + name + "  " + c.text.summary + "\n";
  }
  return out;
}

const Command* Commands::find(const std::string& name) const {
  for (const Command& c : commands_)
    if (c.text.name == name) return &c;
  return nullptr;
}

Error Commands::unknown(const std::string& name) const {
  std::string known;
  for (const Command& c : commands_) known += (known.empty() ? "" : ", ") + c.text.name;
  return invalid("unknown command '" + name + "', expected one of " + known);
}

Result<Started> Commands::start(const Command& command, const Arguments& arguments,
                                const Environment& environment) const {
  Usage usage{.program = program_ + " " + command.text.name,
              .summary = command.text.about,
              .prefix = prefix_,
              .config = command.text.config,
              .footer = command.text.footer,
              .more_variables = variables_};
  for (const Command& c : commands_) usage.other_variables.merge(variables_of(c.describe, prefix_));
  return command.start(usage, arguments, environment);
}

}  // namespace preferd
