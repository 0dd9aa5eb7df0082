#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace preferd {
namespace {

constexpr std::size_t kHeader = 4096, kSample = 512, kSamples = 8;  // bytes, bytes, how many
constexpr std::int64_t kTick = 20'000'000;  // nanoseconds; times of files are no finer than a kernel's tick

std::int64_t nanoseconds(const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

void wait_out_the_tick(const struct stat& info) {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t age = nanoseconds(now) - nanoseconds(info.st_mtim);
  if (age < 0 || age >= kTick) return;
  const timespec rest{0, kTick - age};
  ::nanosleep(&rest, nullptr);
}

}  // namespace

Result<std::unique_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const auto failed = [&](const char* what) {
    const Code code = errno == ENOENT ? Code::kNotFound : Code::kInvalid;
    Error error{code, path + ": " + what + ": " + std::strerror(errno), {}};
    if (file >= 0) ::close(file);
    return error;
  };
  if (file < 0) return failed("cannot open");
  struct stat info {};
  if (::fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(file);
    return invalid(path + ": not a plain file");
  }
  wait_out_the_tick(info);
  if (::fstat(file, &info) != 0) return failed("cannot look at");
  const auto size = static_cast<std::size_t>(info.st_size);
  void* const address = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (address == MAP_FAILED) return failed("cannot map");
  Mapping mapping({static_cast<const std::byte*>(address), size});
  auto range = GuardedRange::take(mapping.view);
  if (!range) {
    ::close(file);
    return invalid(path + ": " + std::to_string(GuardedRange::kMost) +
                   " files are mapped already, expected fewer");
  }
  return std::unique_ptr<const MappedFile>(
      new MappedFile(path, file, info, std::move(mapping), std::move(*range)));
}

MappedFile::Mapping::~Mapping() {
  if (!view.empty()) ::munmap(const_cast<std::byte*>(view.data()), view.size());
}

MappedFile::MappedFile(std::string path, int file, const struct stat& info, Mapping mapping,
                       GuardedRange range)
    : path_(std::move(path)),
      file_(file),
      opened_(info),
      mapping_(std::move(mapping)),
      range_(std::move(range)),
      samples_(samples()),
      looked_at_(nanoseconds(info.st_ctim)) {}

MappedFile::~MappedFile() { ::close(file_); }

Status MappedFile::intact(Look look) const {
  if (!changed_) {
    std::string why = difference(look);
    if (why.empty()) return Ok{};
    const std::lock_guard lock(mutex_);
    if (why_.empty())
      why_ = path_ + " changed while it was in use: " + std::move(why) + "; load a good one again";
    changed_ = true;
  }
  const std::lock_guard lock(mutex_);
  return Error{Code::kChanged, why_, {}};
}

std::string MappedFile::difference(Look look) const {
  struct stat now {};
  if (::fstat(file_, &now) != 0)
    return std::string("it cannot be looked at any more: ") + std::strerror(errno);
  if (now.st_size != opened_.st_size)
    return "it had " + std::to_string(opened_.st_size) + " bytes and has " + std::to_string(now.st_size) +
           " now";
  if (nanoseconds(now.st_mtim) != nanoseconds(opened_.st_mtim)) return "it was written to";
  if (range_.lost()) return "a part of it cannot be read any more";
  // The status alone changes too: by chmod, by rename, by a write whose time was set back.
  const std::int64_t status = nanoseconds(now.st_ctim);
  if (look == Look::kQuick && status == looked_at_) return {};
  if (samples() != samples_) return "its contents are others";
  looked_at_ = status;
  return {};
}

// A checksum of the header and of places spread over the rest, read past the mapping.
std::uint32_t MappedFile::samples() const {
  std::array<unsigned char, kHeader> buffer;
  std::uint32_t sum = 0;
  const auto add = [&](std::size_t at, std::size_t bytes) {
    const ssize_t n = ::pread(file_, buffer.data(), bytes, static_cast<off_t>(at));
    if (n > 0) sum = static_cast<std::uint32_t>(::crc32(sum, buffer.data(), static_cast<uInt>(n)));
  };
  add(0, kHeader);
  for (std::size_t i = 1; i <= kSamples; ++i)
    if (view().size() > kSample) add((view().size() - kSample) * i / kSamples, kSample);
  return sum;
}

}  // namespace preferd
