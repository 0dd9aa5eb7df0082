// A flag whose value is one of a few words.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace preferd::training {

// The value that `target` has is the default. The option keeps a reference to `target`.
template <class E>
CLI::Option* add_choice(CLI::App& app, const std::string& flag, E& target,
                        const std::vector<std::pair<std::string, E>>& words, const std::string& help) {
  std::string names, initial;
  for (const auto& [word, value] : words) {
    names += (names.empty() ? "" : "|") + word;
    if (value == target) initial = word;
  }
  const auto read = [&target, words, flag, names](const std::string& given) {
    for (const auto& [word, value] : words)
      if (word == given) {
        target = value;
        return;
      }
    throw CLI::ValidationError("flag " + flag + " is '" + given + "', expected " + names);
  };
  return app.add_option_function<std::string>(flag, read, help)->type_name(names)->default_str(initial);
}

}  // namespace preferd::training
