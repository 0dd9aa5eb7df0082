// Read-only files under one root: a directory on disk (mapped) or data linked into the binary.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"

namespace preferd {

// Bytes and whoever keeps them alive (a mapping, a buffer, or nobody for linked-in data).
struct Bytes {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> view;

  std::string_view text() const { return {reinterpret_cast<const char*>(view.data()), view.size()}; }
};

// Immutable; any thread.
class Files {
 public:
  virtual ~Files() = default;

  // `relative` names a file under the root; '/' separates. Errors: absent, unreadable, a directory,
  // or a path that leaves the root (after links are followed).
  virtual Result<Bytes> open(std::string_view relative) const = 0;
  virtual bool exists(std::string_view relative) const = 0;
  // Names (not paths) of the plain files directly under folder `relative` ("" = the root), sorted.
  virtual std::vector<std::string> list(std::string_view relative) const = 0;
  // A view rooted at a sub-folder; refuses what leaves the root.
  virtual Result<std::shared_ptr<const Files>> folder(std::string_view relative) const = 0;
  // For messages: the folder's path, or "embedded:".
  virtual std::string name() const = 0;
  // kChanged: a file that was opened here, under a folder() of here or a folder that here is one of, was
  // written to while its bytes were held. (Of what was let go, only what had changed by then counts.)
  virtual Status intact(Look) const { return Ok{}; }
};

// kInside: a link that ends outside the directory leaves it. kAnywhere: links may end anywhere, names still
// may not climb (a model hub's cache is a directory of links into its store).
enum class Links { kInside, kAnywhere };

// A directory on disk; files are memory-mapped. Fails when `path` is no readable directory.
Result<std::shared_ptr<const Files>> open_directory(const std::string& path, Links links = Links::kInside);

struct EmbeddedFile {
  std::string_view path;
  std::span<const std::byte> bytes;
};

// Files that live in static storage; nothing is copied.
std::shared_ptr<const Files> embedded_files(std::vector<EmbeddedFile> files);

// `found`, unless a file that `source` (Files, or what has their intact()) reads changed meanwhile: then that
// is the error, whatever else went wrong.
template <class Source, class T>
Result<T> if_intact(const Source& source, Result<T> found) {
  if (const Status s = source.intact(Look::kThorough); !s) return s.error();
  return found;
}

// Maps one file anywhere on disk, read-only; nobody asks whether it changes.
Result<Bytes> map_file(const std::string& path);

// Lets go of the memory behind a part of a mapped file (map_file, open_directory) that was read and will not
// be soon; reading it again fetches it again. Never for other memory: its contents would be lost.
void release_pages(std::span<const std::byte> mapped);

}  // namespace preferd
