// The variables that one frame knows. See scope.h; the names are those of jinja2/idtracking.py.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "model/text/template/ast.h"

namespace preferd::text::jinja {

// The slots of one function, by identifier: the depth of a frame and a name.
struct Locals {
  int depth;
  std::map<std::string, int> slots = {};
  int slot(const std::string& identifier) {
    return slots.emplace(identifier, static_cast<int>(slots.size())).first->second;
  }
};

class Symbols {
 public:
  Symbols(const Symbols* parent, Locals& locals)
      : parent_(parent), locals_(&locals), level_(parent == nullptr ? 0 : parent->level_ + 1) {}

  void load(const std::string& name);
  void store(const std::string& name);
  void declare_parameter(const std::string& name);
  // After an if: what its branches, each a copy of these symbols that went on by itself, have in common.
  void branch_update(const Symbols& body, const Symbols& elifs, const Symbols& otherwise);

  // The variable that a name means, as seen from here. Refuses a name that no frame knows.
  Slot slot(const std::string& name, int line) const;
  Frame frame() const;
  Locals& locals() const { return *locals_; }

 private:
  struct Reference {
    std::string identifier;
    Locals* locals;
  };
  struct Load {
    Entry::Action action;
    std::string name;
    std::optional<Reference> from = {};
  };

  std::optional<Reference> find(const std::string& name) const;
  std::string define(const std::string& name, Load load);
  Slot slot_of(const Reference& reference) const;

  const Symbols* parent_;
  Locals* locals_;
  int level_;
  std::map<std::string, std::string> references_;  // name -> identifier
  std::map<std::string, Load> loads_;              // identifier -> what entering does
  std::set<std::string> stores_;
};

}  // namespace preferd::text::jinja
