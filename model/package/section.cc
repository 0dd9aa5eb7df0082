#include "model/package/section.h"

#include "base/sha256.h"

namespace preferd::package {

Result<ManifestFile> read_manifest_file(const Files& package) {
  const auto bytes = package.open("package.json");
  if (!bytes && bytes.error().code == Code::kNotFound)
    return invalid(package.name() + ": no package.json here");
  if (!bytes) return bytes.error();
  auto json = parse_json(bytes->text(), {.max_bytes = 16u << 20});
  if (!json) return invalid(package.name() + "/package.json: " + json.error().what);
  if (!json->is_object())
    return invalid(package.name() + "/package.json: is " + describe(*json) + ", expected an object");
  return ManifestFile{std::move(*json), hex(sha256(bytes->text()))};
}

}  // namespace preferd::package
