#include "model/text/template/symbols.h"

#include "model/text/template/refusal.h"

namespace preferd::text::jinja {

std::optional<Symbols::Reference> Symbols::find(const std::string& name) const {
  for (const Symbols* at = this; at != nullptr; at = at->parent_)
    if (const auto found = at->references_.find(name); found != at->references_.end())
      return Reference{found->second, at->locals_};
  return std::nullopt;
}

std::string Symbols::define(const std::string& name, Load load) {
  std::string identifier = std::to_string(level_) + " " + name;
  references_[name] = identifier;
  loads_.insert_or_assign(identifier, std::move(load));
  return identifier;
}

void Symbols::load(const std::string& name) {
  if (!find(name)) define(name, {Entry::Action::kResolve, name});
}

void Symbols::store(const std::string& name) {
  stores_.insert(name);
  if (references_.contains(name)) return;
  if (const auto outer = parent_ == nullptr ? std::nullopt : parent_->find(name))
    define(name, {Entry::Action::kAlias, name, outer});
  else
    define(name, {Entry::Action::kMissing, name});
}

void Symbols::declare_parameter(const std::string& name) {
  stores_.insert(name);
  define(name, {Entry::Action::kParameter, name});
}

void Symbols::branch_update(const Symbols& body, const Symbols& elifs, const Symbols& otherwise) {
  std::set<std::string> stored;
  for (const Symbols* branch : {&body, &elifs, &otherwise})
    for (const std::string& name : branch->stores_)
      if (!stores_.contains(name)) stored.insert(name);
  for (const Symbols* branch : {&body, &elifs, &otherwise}) {
    for (const auto& [name, identifier] : branch->references_) references_[name] = identifier;
    for (const auto& [identifier, load] : branch->loads_) loads_.insert_or_assign(identifier, load);
    stores_.insert(branch->stores_.begin(), branch->stores_.end());
  }
  for (const std::string& name : stored) {
    const std::string identifier = find(name)->identifier;
    const auto outer = parent_ == nullptr ? std::nullopt : parent_->find(name);
    loads_.insert_or_assign(
        identifier, outer ? Load{Entry::Action::kAlias, name, outer} : Load{Entry::Action::kResolve, name});
  }
}

Slot Symbols::slot_of(const Reference& reference) const {
  return {locals_->depth - reference.locals->depth, reference.locals->slot(reference.identifier)};
}

Slot Symbols::slot(const std::string& name, int line) const {
  const auto reference = find(name);
  if (!reference) refuse("the variable '" + name + "' cannot be used in the filter of a block", line);
  return slot_of(*reference);
}

Frame Symbols::frame() const {
  Frame out;
  for (const auto& [identifier, load] : loads_)
    out.push_back(
        {load.action, load.name, locals_->slot(identifier), load.from ? slot_of(*load.from) : Slot{}});
  return out;
}

}  // namespace preferd::text::jinja
