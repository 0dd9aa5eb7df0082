#include "base/files.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>

namespace preferd {
namespace {

namespace fs = std::filesystem;

// The files of a directory that are held, and what the first said that had changed when it was let go.
class Ledger {
 public:
  static Bytes keep(const std::shared_ptr<Ledger>& ledger, std::unique_ptr<const MappedFile> file) {
    const auto view = file->view();
    const auto let_go = [ledger](const MappedFile* f) {
      const std::unique_ptr<const MappedFile> ends(f);
      if (const Status s = f->intact(Look::kQuick); !s) ledger->note(s.error());
    };
    const std::shared_ptr<const MappedFile> held(file.release(), let_go);
    const std::lock_guard lock(ledger->mutex_);
    std::erase_if(ledger->held_, [](const auto& known) { return known.expired(); });
    ledger->held_.push_back(held);
    return {held, view};
  }

  Status intact(Look look) const {
    std::vector<std::shared_ptr<const MappedFile>> held;  // let go after the lock, which note() takes
    const std::lock_guard lock(mutex_);
    if (changed_) return *changed_;
    for (const auto& known : held_)
      if (auto file = known.lock()) held.push_back(std::move(file));
    for (const auto& file : held)
      if (const Status s = file->intact(look); !s) return s.error();
    return Ok{};
  }

 private:
  void note(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!changed_) changed_ = error;
  }

  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<const MappedFile>> held_;  // guarded by mutex_, as below
  std::optional<Error> changed_;
};

bool is_inside(const fs::path& root, const fs::path& path) {
  const auto [end, at] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end();
}

class Directory : public Files {
 public:
  Directory(fs::path root, Links links, std::shared_ptr<Ledger> ledger)
      : root_(std::move(root)), links_(links), ledger_(std::move(ledger)) {}

  Result<Bytes> open(std::string_view relative) const override {
    auto path = resolve(relative);
    if (!path) return path.error();
    auto file = MappedFile::open(path->string());
    if (!file) return file.error();
    return Ledger::keep(ledger_, *std::move(file));
  }

  bool exists(std::string_view relative) const override {
    const auto path = resolve(relative);
    return static_cast<bool>(path);
  }

  std::vector<std::string> list(std::string_view relative) const override {
    std::vector<std::string> names;
    const auto path = resolve(relative);
    if (!path) return names;
    std::error_code ec;
    for (fs::directory_iterator it(*path, ec), end; !ec && it != end; it.increment(ec))
      if (it->is_regular_file(ec)) names.push_back(it->path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::shared_ptr<const Files>> folder(std::string_view relative) const override {
    auto path = resolve(relative);
    if (!path) return path.error();
    std::error_code ec;
    if (!fs::is_directory(*path, ec)) return invalid(path->string() + ": not a folder");
    return std::shared_ptr<const Files>(std::make_shared<Directory>(*path, links_, ledger_));
  }

  std::string name() const override { return root_.string(); }
  Status intact(Look look) const override { return ledger_->intact(look); }

 private:
  // Follows links; the result is a real path inside the root.
  Result<fs::path> resolve(std::string_view relative) const {
    if (relative.find('\0') != std::string_view::npos)
      return invalid(root_.string() + ": a path holds a NUL character");
    const fs::path wanted{std::string(relative)};
    const fs::path normal = wanted.lexically_normal();
    if (wanted.is_absolute() || (!normal.empty() && *normal.begin() == ".."))
      return invalid(root_.string() + ": the path '" + std::string(relative) + "' leaves the folder");
    std::error_code ec;
    fs::path real = fs::canonical(root_ / wanted, ec);
    if (ec) {
      const fs::path weak = fs::weakly_canonical(root_ / wanted, ec);
      if (!ec && !is_inside(root_, weak))
        return invalid(root_.string() + ": the path '" + std::string(relative) + "' leaves the folder");
      return Error{Code::kNotFound, (root_ / wanted).string() + ": no such file or folder", {}};
    }
    if (links_ == Links::kInside && !is_inside(root_, real))
      return invalid(root_.string() + ": the path '" + std::string(relative) + "' leaves the folder");
    return real;
  }

  fs::path root_;
  Links links_;
  std::shared_ptr<Ledger> ledger_;
};

class Embedded : public Files {
 public:
  Embedded(std::vector<EmbeddedFile> files, std::string prefix)
      : files_(std::move(files)), prefix_(std::move(prefix)) {}

  Result<Bytes> open(std::string_view relative) const override {
    for (const EmbeddedFile& f : files_)
      if (f.path == prefix_ + std::string(relative)) return Bytes{nullptr, f.bytes};
    return Error{Code::kNotFound, name() + std::string(relative) + ": no such file", {}};
  }

  bool exists(std::string_view relative) const override {
    if (relative.empty()) return true;
    const std::string path = prefix_ + std::string(relative);
    return std::any_of(files_.begin(), files_.end(), [&](const EmbeddedFile& f) {
      return f.path == path || f.path.substr(0, path.size() + 1) == path + "/";
    });
  }

  std::vector<std::string> list(std::string_view relative) const override {
    const std::string start = prefix_ + (relative.empty() ? "" : std::string(relative) + "/");
    std::vector<std::string> names;
    for (const EmbeddedFile& f : files_)
      if (f.path.substr(0, start.size()) == start && f.path.find('/', start.size()) == std::string_view::npos)
        names.emplace_back(f.path.substr(start.size()));
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::shared_ptr<const Files>> folder(std::string_view relative) const override {
    if (!exists(relative))
      return Error{Code::kNotFound, name() + std::string(relative) + ": no such folder", {}};
    return std::shared_ptr<const Files>(
        std::make_shared<Embedded>(files_, prefix_ + std::string(relative) + "/"));
  }

  std::string name() const override { return "embedded:" + prefix_; }

 private:
  std::vector<EmbeddedFile> files_;
  std::string prefix_;
};

}  // namespace

Result<Bytes> map_file(const std::string& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  const std::shared_ptr<const MappedFile> held(*std::move(file));
  return Bytes{held, held->view()};
}

void release_pages(std::span<const std::byte> mapped) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(mapped.data()) + page - 1) / page * page;
  const auto end = (reinterpret_cast<std::uintptr_t>(mapped.data()) + mapped.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

Result<std::shared_ptr<const Files>> open_directory(const std::string& path, Links links) {
  std::error_code ec;
  const fs::path real = fs::canonical(path, ec);
  if (ec) return Error{Code::kNotFound, path + ": " + ec.message(), {}};
  if (!fs::is_directory(real, ec)) return invalid(path + ": not a folder");
  return std::shared_ptr<const Files>(std::make_shared<Directory>(real, links, std::make_shared<Ledger>()));
}

std::shared_ptr<const Files> embedded_files(std::vector<EmbeddedFile> files) {
  return std::make_shared<Embedded>(std::move(files), "");
}

}  // namespace preferd
