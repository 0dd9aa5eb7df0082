// What every command does with its arguments.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>

#include "training/commands/commands.h"

namespace preferd::training {

// An exit code when the command ends here: --help, printed on standard output, or an error.
std::optional<int> parse_arguments(CLI::App& app, const Arguments& arguments);

}  // namespace preferd::training
