#include "training/run/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace preferd::training {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& path, const char* what) {
  return invalid(path + ": cannot " + what + ": " + std::strerror(errno));
}

bool has_work(const std::string& path) {
  std::error_code ec;
  for (const char* name : {"/checkpoints", "/best"}) {
    const fs::directory_iterator entries(path + name, ec);
    if (!ec && entries != fs::directory_iterator()) return true;
  }
  return false;
}

}  // namespace

Result<RunDirectory> RunDirectory::open(const std::string& path, Begin begin) {
  if (path.empty()) return invalid("output is missing, expected the run directory");
  std::error_code ec;
  const bool there = fs::exists(path + "/config.toml", ec);
  if (begin == Begin::kFresh && has_work(path))
    return invalid("output " + path +
                   ": there is a run already; continue it with --resume, or name another folder");
  if (begin == Begin::kResume && !there) return invalid("output " + path + ": there is no run to resume");
  fs::create_directories(path, ec);
  if (ec) return invalid("output " + path + ": cannot make the folder: " + ec.message());
  const std::string name = path + "/lock";
  const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) return failed(name, "open for writing");
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return invalid("output " + path + ": another process is working there");
  }
  return RunDirectory(path, lock);
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

RunDirectory::~RunDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

Status RunDirectory::need(std::uint64_t bytes) const {
  std::error_code ec;
  const auto space = fs::space(path_, ec);
  if (ec) return invalid("output " + path_ + ": " + ec.message());
  if (space.available >= bytes) return Ok{};
  constexpr double kMiB = 1 << 20;
  const auto mib = [](double b) { return std::to_string(static_cast<std::int64_t>(b / kMiB) + 1) + " MiB"; };
  return invalid("output " + path_ + ": " + mib(static_cast<double>(space.available)) +
                 " are free, but checkpoints and package need " + mib(static_cast<double>(bytes)));
}

Result<MetricsLog> MetricsLog::open(const std::string& path, std::uint64_t keep) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) return failed(path, "open for writing");
  struct stat found {};
  if (::fstat(file, &found) != 0 || static_cast<std::uint64_t>(found.st_size) < keep) {
    ::close(file);
    return invalid(path + ": is shorter than at the checkpoint, expected at least " + std::to_string(keep) +
                   " bytes");
  }
  if (::ftruncate(file, static_cast<off_t>(keep)) != 0 || ::lseek(file, 0, SEEK_END) < 0) {
    const Error error = failed(path, "cut");
    ::close(file);
    return error;
  }
  return MetricsLog(path, file, keep);
}

MetricsLog::MetricsLog(MetricsLog&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), bytes_(other.bytes_) {}

MetricsLog::~MetricsLog() {
  if (file_ >= 0) ::close(file_);
}

Status MetricsLog::line(std::string_view json) {
  const std::string text = std::string(json) + "\n";
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t n = ::write(file_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path_, "write");
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  bytes_ += text.size();
  return Ok{};
}

Status MetricsLog::sync() {
  if (::fsync(file_) != 0) return failed(path_, "sync");
  return Ok{};
}

}  // namespace preferd::training
