// Who may ask what. Keys are kept as SHA-256 only and compared in constant time. Immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/sha256.h"

namespace preferd::server {

enum class Access {
  kPublic,  // everyone: liveness, readiness, the front page
  kClient,  // who has the API key or the admin key; everyone when no API key is set
  kAdmin,   // who has the admin key; nobody when none is set
};

class Keys {
 public:
  // Each a value, @FILE (its text without white space at both ends), or empty for none.
  // Errors: an unreadable or empty file; a key with a space or outside printable ASCII.
  static Result<Keys> make(const std::string& api_key, const std::string& admin_key);

  // `authorization`: the header's value, empty when absent.
  bool allow(Access access, std::string_view authorization) const;

 private:
  std::optional<Sha256> api_, admin_;
};

}  // namespace preferd::server
