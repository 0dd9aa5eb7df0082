// Inside settings.h: the fields of a command as options, and how they are shown.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/settings.h"

namespace preferd {

inline constexpr Wording kOptionWording = {
    .text = "text", .texts = "a list of texts", .words = "", .between = "|"};

struct Option : Field {
  Origin origin = Origin::kDefault;
  std::string source{};  // "flag --port", "variable PREFERD_PORT", "serve.toml: key 'port'"

  bool is_argument() const { return traits.positional; }
  bool in_layers() const { return !traits.positional && !traits.flag_only; }
  bool is_set() const { return origin != Origin::kDefault; }
  std::string spelling() const;                           // "flag --max-items", "argument KEY=VALUE"
  std::string key() const;                                // "max_items"
  std::string variable(const std::string& prefix) const;  // "PREFERD_MAX_ITEMS"
};

// In the order of the declaration. The options borrow its targets.
std::vector<Option> options_of(const std::function<void(Schema&)>& describe);

std::string help_text(const Usage& usage, const std::vector<Option>& options);

// Every value as TOML and, as a comment, where it came from.
std::string config_text(const std::vector<Option>& options);

}  // namespace preferd
