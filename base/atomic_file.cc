#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace preferd {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& path, const char* what) {
  return invalid(path + ": cannot " + what + ": " + std::strerror(errno));
}

Status write_synced(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failed(path, "open for writing");
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const Error error = failed(path, "write");
      ::close(file);
      return error;
    }
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file) != 0) {
    const Error error = failed(path, "sync");
    ::close(file);
    return error;
  }
  if (::close(file) != 0) return failed(path, "close");
  return Ok{};
}

void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

fs::path parent_of(const std::string& path) {
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? fs::path(".") : parent;
}

}  // namespace

Status write_file_atomically(const std::string& path, std::string_view bytes) {
  const std::string part = path + ".part";
  if (const Status s = write_synced(part, bytes); !s) {
    ::unlink(part.c_str());
    return s.error();
  }
  if (::rename(part.c_str(), path.c_str()) != 0) {
    const Error error = failed(path, "rename to");
    ::unlink(part.c_str());
    return error;
  }
  sync_folder(parent_of(path));
  return Ok{};
}

Result<AtomicFolder> AtomicFolder::create(const std::string& target) {
  std::string path = target + ".part";
  std::error_code ec;
  fs::remove_all(path, ec);
  if (!fs::create_directories(path, ec) || ec)
    return invalid(path + ": cannot make the folder: " + ec.message());
  return AtomicFolder(target, path);
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : target_(std::move(other.target_)), path_(std::exchange(other.path_, {})) {}

AtomicFolder::~AtomicFolder() {
  std::error_code ec;
  if (!path_.empty()) fs::remove_all(path_, ec);
}

Status AtomicFolder::write(const std::string& relative, std::string_view bytes) {
  const std::string path = path_ + "/" + relative;
  std::error_code ec;
  fs::create_directories(parent_of(path), ec);
  if (ec) return invalid(path + ": cannot make the folder: " + ec.message());
  return write_synced(path, bytes);
}

Status AtomicFolder::commit() {
  std::error_code ec;
  for (const auto& entry : fs::recursive_directory_iterator(path_, ec))
    if (entry.is_directory()) sync_folder(entry.path());
  sync_folder(path_);
  if (fs::exists(target_)) {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) != 0)
      return failed(target_, "exchange with the new one");
    fs::remove_all(path_, ec);
  } else if (::rename(path_.c_str(), target_.c_str()) != 0) {
    return failed(target_, "rename to");
  }
  path_.clear();
  sync_folder(parent_of(target_));
  return Ok{};
}

}  // namespace preferd
