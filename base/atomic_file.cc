#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

namespace preferd {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& path, const char* what) {
  return invalid(path + ": cannot " + what + ": " + std::strerror(errno));
}

// Closes what it holds.
class Descriptor {
 public:
  explicit Descriptor(int file) : file_(file) {}
  ~Descriptor() {
    if (file_ >= 0) ::close(file_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return file_; }
  int release() { return std::exchange(file_, -1); }
  int close() { return ::close(std::exchange(file_, -1)); }

 private:
  int file_;
};

Status write_all(int file, const std::string& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path, "write");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return Ok{};
}

Status close_synced(Descriptor& file, const std::string& path) {
  if (::fsync(file.get()) != 0) return failed(path, "sync");
  if (file.close() != 0) return failed(path, "close");
  return Ok{};
}

Result<int> open_new(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return failed(path, "open for writing");
  return file;
}

Status write_synced(const std::string& path, std::string_view bytes) {
  const auto opened = open_new(path);
  if (!opened) return opened.error();
  Descriptor file(*opened);
  if (const Status s = write_all(file.get(), path, bytes); !s) return s.error();
  return close_synced(file, path);
}

Status copy_synced(const std::string& from, const std::string& to) {
  Descriptor in(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (in.get() < 0) return failed(from, "open");
  struct stat info {};
  if (::fstat(in.get(), &info) != 0 || !S_ISREG(info.st_mode)) return invalid(from + ": not a plain file");
  const auto opened = open_new(to);
  if (!opened) return opened.error();
  Descriptor out(*opened);
  std::vector<char> buffer(std::size_t{1} << 20);
  while (true) {
    const ssize_t n = ::read(in.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(from, "read");
    if (n == 0) break;
    if (const Status s = write_all(out.get(), to, {buffer.data(), static_cast<std::size_t>(n)}); !s)
      return s.error();
  }
  struct stat after {};
  if (::fstat(in.get(), &after) != 0 || after.st_size != info.st_size ||
      after.st_mtim.tv_sec != info.st_mtim.tv_sec || after.st_mtim.tv_nsec != info.st_mtim.tv_nsec)
    return Error{Code::kChanged, from + " changed while it was copied; copy it again", {}};
  return close_synced(out, to);
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

bool is_still(const std::string& path, int folder) {
  struct stat named {
  }, open{};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(folder, &open) == 0 && named.st_dev == open.st_dev &&
         named.st_ino == open.st_ino;
}

// An empty folder that is this process's while the descriptor is open. One that another renames or removes
// between making and locking is made again.
Result<int> claim(const std::string& path) {
  constexpr int kTries = 100;
  std::error_code ec;
  for (int i = 0; i < kTries; ++i) {
    if (const fs::file_status is = fs::symlink_status(path, ec); fs::exists(is) && !fs::is_directory(is))
      fs::remove(path, ec);
    fs::create_directories(path, ec);
    if (ec) return invalid(path + ": cannot make the folder: " + ec.message());
    Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0 && errno == ENOENT) continue;
    if (folder.get() < 0) return failed(path, "open");
    if (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      return invalid(path + ": another process is writing there");
    if (!is_still(path, folder.get())) continue;
    std::vector<fs::path> old;
    for (const auto& entry : fs::directory_iterator(path, ec)) old.push_back(entry.path());
    for (const fs::path& entry : old) {
      fs::remove_all(entry, ec);
      if (ec) return invalid(entry.string() + ": cannot remove: " + ec.message());
    }
    return folder.release();
  }
  return invalid(path + ": others keep making and removing this folder");
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

Result<AtomicFolder> AtomicFolder::make(const std::string& target, Target kind) {
  std::string path = target + ".part";
  const Result<int> lock = claim(path);
  if (!lock) return lock.error();
  return AtomicFolder(target, path, kind, *lock);
}

Result<AtomicFolder> AtomicFolder::create(const std::string& target) {
  return make(target, Target::kReplaced);
}

Result<AtomicFolder> AtomicFolder::create_new(const std::string& target) {
  std::string plain = target;
  while (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
  const std::string last = fs::path(plain).filename().string();
  if (last.empty() || last == "." || last == "..")
    return invalid("'" + plain + "' ends in no name, expected a folder to make");
  std::error_code ec;
  if (fs::is_symlink(plain, ec)) return invalid(plain + ": is a link, expected a folder to make");
  const bool there = fs::exists(plain, ec);
  if (ec) return invalid(plain + ": " + ec.message());
  if (there && !fs::is_directory(plain, ec)) return invalid(plain + " exists and is not a folder");
  if (there && !fs::is_empty(plain, ec)) return invalid(plain + " exists and is not empty");
  return make(plain, Target::kNew);
}

AtomicFolder::AtomicFolder(AtomicFolder&& other) noexcept
    : target_(std::move(other.target_)),
      path_(std::exchange(other.path_, {})),
      kind_(other.kind_),
      lock_(std::exchange(other.lock_, -1)) {}

AtomicFolder::~AtomicFolder() {
  std::error_code ec;
  if (!path_.empty()) fs::remove_all(path_, ec);
  if (lock_ >= 0) ::close(lock_);
}

Status AtomicFolder::write(const std::string& relative, std::string_view bytes) {
  const std::string path = path_ + "/" + relative;
  std::error_code ec;
  fs::create_directories(parent_of(path), ec);
  if (ec) return invalid(path + ": cannot make the folder: " + ec.message());
  return write_synced(path, bytes);
}

Status AtomicFolder::copy(const std::string& from, const std::string& relative) {
  const std::string path = path_ + "/" + relative;
  std::error_code ec;
  fs::create_directories(parent_of(path), ec);
  if (ec) return invalid(path + ": cannot make the folder: " + ec.message());
  return copy_synced(from, path);
}

Status AtomicFolder::commit() {
  std::error_code ec, unknown;
  for (fs::recursive_directory_iterator at(path_, ec), end; !ec && at != end; at.increment(ec))
    if (at->is_directory(unknown)) sync_folder(at->path());
  if (ec) return invalid(path_ + ": cannot list: " + ec.message());
  sync_folder(path_);
  if (kind_ == Target::kReplaced && fs::exists(target_, ec)) {
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
