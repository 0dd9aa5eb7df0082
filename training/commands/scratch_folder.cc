#include "training/commands/scratch_folder.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

namespace preferd::training {

Result<ScratchFolder> ScratchFolder::create() {
  std::error_code ec;
  const std::filesystem::path root = std::filesystem::temp_directory_path(ec);
  if (ec) return invalid("the temporary folder: " + ec.message() + "; TMPDIR names another");
  std::string path = (root / "trainer-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr)
    return invalid("the temporary folder " + root.string() + ": " + std::strerror(errno) +
                   "; TMPDIR names another");
  return ScratchFolder(std::move(path));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ec;
  if (!path_.empty()) std::filesystem::remove_all(path_, ec);
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}

}  // namespace preferd::training
