#include "training/data/disk_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace preferd::training {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

Status write_all(int descriptor, const char* from, std::size_t count, std::int64_t offset) {
  while (count > 0) {
    const ssize_t wrote = ::pwrite(descriptor, from, count, offset);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return invalid("");
    from += wrote;
    offset += wrote;
    count -= static_cast<std::size_t>(wrote);
  }
  return Ok{};
}

}  // namespace

FileWriter::FileWriter(std::string path, std::string temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

Error FileWriter::failure(const char* what) const {
  return invalid(path_ + ": cannot " + what + ": " + std::strerror(errno));
}

Result<std::unique_ptr<FileWriter>> FileWriter::create(const std::string& path) {
  std::error_code ec;
  if (const auto folder = std::filesystem::path(path).parent_path(); !folder.empty()) {
    std::filesystem::create_directories(folder, ec);
    if (ec) return invalid(folder.string() + ": cannot create the folder: " + ec.message());
  }
  std::string temporary = path + ".XXXXXX";
  const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (descriptor < 0) return invalid(path + ": cannot create: " + std::strerror(errno));
  ::fchmod(descriptor, 0644);
  return std::unique_ptr<FileWriter>(new FileWriter(path, temporary, descriptor));
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

Status FileWriter::flush() {
  const auto at = static_cast<std::int64_t>(size_ - buffer_.size());
  if (!write_all(descriptor_, buffer_.data(), buffer_.size(), at)) return failure("write");
  buffer_.clear();
  return Ok{};
}

Status FileWriter::append(std::span<const std::byte> bytes) {
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  size_ += bytes.size();
  return buffer_.size() < kBufferBytes ? Status(Ok{}) : flush();
}

Status FileWriter::overwrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  PREFERD_CHECK(offset + bytes.size() <= size_);
  if (const Status s = flush(); !s) return s.error();
  if (!write_all(descriptor_, reinterpret_cast<const char*>(bytes.data()), bytes.size(),
                 static_cast<std::int64_t>(offset)))
    return failure("write");
  return Ok{};
}

Status FileWriter::commit() {
  if (const Status s = flush(); !s) return s.error();
  if (::fsync(descriptor_) != 0) return failure("write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return failure("rename the temporary file to it");
  ::close(descriptor_);
  descriptor_ = -1;
  return Ok{};
}

FileReader::FileReader(std::string path, int descriptor, std::uint64_t size)
    : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

FileReader::~FileReader() { ::close(descriptor_); }

Result<std::shared_ptr<const FileReader>> FileReader::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return Error{Code::kNotFound, path + ": cannot open: " + std::strerror(errno), {}};
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    return invalid(path + ": is not a plain file");
  }
  return std::shared_ptr<const FileReader>(
      new FileReader(path, descriptor, static_cast<std::uint64_t>(info.st_size)));
}

Result<std::string> FileReader::read(std::uint64_t offset, std::size_t count) const {
  if (offset > size_ || count > size_ - offset)
    return invalid(path_ + ": ends at byte " + std::to_string(size_) + ", expected " + std::to_string(count) +
                   " bytes at " + std::to_string(offset));
  std::string out(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const ssize_t got =
        ::pread(descriptor_, out.data() + done, count - done, static_cast<std::int64_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      return invalid(path_ + ": cannot read: " + (got == 0 ? "it was cut short" : std::strerror(errno)));
    done += static_cast<std::size_t>(got);
  }
  return out;
}

}  // namespace preferd::training
