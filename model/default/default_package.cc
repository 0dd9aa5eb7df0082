#include "model/default/default_package.h"

namespace preferd::embedded {
namespace {

// Laid down by embedded.S: {path, path length, first byte, last byte + 1} a file, ended by a null path.
struct Entry {
  const char* path;
  std::size_t path_size;
  const std::byte* begin;
  const std::byte* end;
};

}  // namespace

extern "C" const Entry preferd_embedded_files[];

Result<std::shared_ptr<const Files>> default_package() {
  std::vector<EmbeddedFile> files;
  for (const Entry* e = preferd_embedded_files; e->path != nullptr; ++e)
    files.push_back({{e->path, e->path_size}, {e->begin, e->end}});
  if (files.empty())
    return Error{Code::kNotFound, "this build embeds no default package; name one with --package", {}};
  return embedded_files(std::move(files));
}

}  // namespace preferd::embedded
