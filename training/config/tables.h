// Tables of a configuration, one over another.
#pragma once

#include "base/json.h"

namespace preferd::training {

// `from` over `onto`: tables key by key, everything else whole.
inline void overlay(Json& onto, const Json& from) {
  for (const auto& [key, value] : from.items()) {
    if (value.is_object() && onto.contains(key) && onto[key].is_object())
      overlay(onto[key], value);
    else
      onto[key] = value;
  }
}

}  // namespace preferd::training
