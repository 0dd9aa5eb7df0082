// Which keys of a configuration's [package] contradict the package that its run starts from.
#pragma once

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace preferd::training {

// package.json of the start, with the head of its first adapter, and what its base's config.json says.
struct StartPackage {
  std::string name;  // for messages: "default", or the folder
  Json package;
  Json base_config;  // null: not read
};

// `given`: the configuration's [package] alone. Requires tables. A key that it leaves out agrees; so does
// another p of a dropout. Errors: layout, features, or a part of the head that is not the start's; a base of
// another shape.
Status check_against_start(const Json& given, const StartPackage& start);

// "a sentence of what the key is and what the start has", shared with the adapter's keys.
Error contradiction(const std::string& key, const Json& found, const std::string& start, const Json& has);

}  // namespace preferd::training
