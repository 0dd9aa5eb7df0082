#include "model/text/template/arguments.h"

#include <algorithm>

#include "model/text/template/refusal.h"

namespace preferd::text::jinja {

Bound::Bound(const Signature& signature, Arguments arguments)
    : name_(signature.name), values_(signature.parameters.size()) {
  if (arguments.positional.size() > values_.size())
    refuse(name_ + "() takes at most " + std::to_string(values_.size()) + " arguments, but " +
           std::to_string(arguments.positional.size()) + " are given");
  std::move(arguments.positional.begin(), arguments.positional.end(), values_.begin());
  for (auto& [key, value] : arguments.keywords) {
    const auto by_name =
        signature.parameters.begin() + static_cast<std::ptrdiff_t>(signature.positional_only);
    const auto at = std::find_if(by_name, signature.parameters.end(),
                                 [&key = key](const char* parameter) { return key == parameter; });
    if (at == signature.parameters.end()) refuse(name_ + "() has no parameter '" + key + "'");
    Value& place = values_[static_cast<std::size_t>(at - signature.parameters.begin())];
    if (!place.is_missing()) refuse(name_ + "() gets two values for '" + key + "'");
    place = std::move(value);
  }
  for (std::size_t i = 0; i < signature.required; ++i)
    if (!given(i)) refuse(name_ + "() needs an argument '" + signature.parameters[i] + "'");
}

const Text& Bound::text(std::size_t i) const {
  if (values_[i].is_undefined() && given(i)) refuse(values_[i].why_undefined());
  if (!values_[i].is_text()) refuse(name_ + "() expects a string, but finds " + values_[i].type_name());
  return values_[i].text();
}

std::int64_t Bound::integer(std::size_t i) const {
  if (values_[i].is_undefined() && given(i)) refuse(values_[i].why_undefined());
  if (!values_[i].is_integral()) refuse(name_ + "() expects an integer, but finds " + values_[i].type_name());
  return values_[i].integer();
}

}  // namespace preferd::text::jinja
