#include "server/http/auth.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/files.h"
#include "server/http/header_text.h"

namespace preferd::server {
namespace {

Result<std::optional<Sha256>> digest_of(const std::string& given, const std::string& flag) {
  if (given.empty()) return std::optional<Sha256>();
  std::string key = given;
  if (given[0] == '@') {
    const auto file = map_file(given.substr(1));
    if (!file) return invalid(flag + ": " + file.error().what);
    const auto text = file->text();
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos) return invalid(flag + ": file " + given.substr(1) + " is empty, expected a key");
    key = text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
  }
  const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!printable) return invalid(flag + ": a key is printable ASCII without spaces");
  return std::optional(sha256(key));
}

bool same(const std::optional<Sha256>& expected, const Sha256& found) {
  const Sha256 against = expected.value_or(Sha256{});
  return CRYPTO_memcmp(against.data(), found.data(), found.size()) == 0 && expected.has_value();
}

}  // namespace

Result<Keys> Keys::make(const std::string& api_key, const std::string& admin_key) {
  Keys keys;
  const auto api = digest_of(api_key, "--api-key");
  if (!api) return api.error();
  const auto admin = digest_of(admin_key, "--admin-key");
  if (!admin) return admin.error();
  keys.api_ = *api;
  keys.admin_ = *admin;
  return keys;
}

bool Keys::allow(Access access, std::string_view authorization) const {
  if (access == Access::kPublic || (access == Access::kClient && !api_)) return true;
  const auto space = authorization.find(' ');
  if (space == authorization.npos || lower_ascii(authorization.substr(0, space)) != "bearer") return false;
  const Sha256 found = sha256(trimmed(authorization.substr(space)));
  const bool is_api = same(api_, found), is_admin = same(admin_, found);
  return is_admin || (access == Access::kClient && is_api);
}

}  // namespace preferd::server
