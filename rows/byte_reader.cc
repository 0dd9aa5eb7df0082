#include "rows/byte_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "base/inflater.h"
#include "base/unzstd.h"

namespace preferd::rows {

struct ByteReader::State {
  static constexpr std::string_view kMagic = "\x1f\x8b";
  static constexpr std::size_t kZstdMagic = 4;  // bytes
  enum class Form { kUnknown, kPlain, kGzip, kZstd };

  int file = -1;
  std::string name;
  Form form = Form::kUnknown;
  std::array<char, 1 << 16> buffer{};  // [at, end): of the file, not handed out yet
  std::size_t at = 0, end = 0, taken = 0, total = 0;
  bool ended = false;
  std::optional<Inflater> inflater;               // kGzip
  std::optional<Unzstd> unzstd;                   // kZstd
  bool between_members = true, has_more = false;  // has_more: of what these were given

  ~State() {
    if (file >= 0) ::close(file);
  }

  std::string_view held() const { return {buffer.data() + at, end - at}; }

  Error damaged(const std::string& why) const {
    return invalid(name + ": cannot read (damaged " + (form == Form::kZstd ? "zstd" : "gzip") + "?): " + why);
  }

  Result<std::size_t> read_file(char* to, std::size_t count) {
    ssize_t got;
    do got = ::read(file, to, count);
    while (got < 0 && errno == EINTR);
    if (got < 0) return invalid(name + ": cannot read: " + std::strerror(errno));
    ended = got == 0;
    taken += static_cast<std::size_t>(got);
    return static_cast<std::size_t>(got);
  }

  // Has the buffer hold `count` bytes, or all that are left.
  Status hold(std::size_t count) {
    while (end - at < count && !ended) {
      std::copy(buffer.data() + at, buffer.data() + end, buffer.data());
      end -= at;
      at = 0;
      const auto got = read_file(buffer.data() + end, buffer.size() - end);
      if (!got) return got.error();
      end += *got;
    }
    return Ok{};
  }

  bool at_member() const {
    return form == Form::kZstd ? Unzstd::begins_frame(held()) : held().starts_with(kMagic);
  }
  std::size_t magic_size() const { return form == Form::kZstd ? kZstdMagic : kMagic.size(); }

  Result<std::size_t> read_plain(std::span<char> to) {
    if (at == end) return ended ? Result<std::size_t>(0) : read_file(to.data(), to.size());
    const std::size_t count = std::min(to.size(), end - at);
    std::copy_n(buffer.data() + at, count, to.data());
    at += count;
    return count;
  }

  Result<std::size_t> read_packed(std::span<char> to) {
    while (true) {
      if (!has_more)
        if (const Status status = hold(between_members ? magic_size() : 1); !status) return status.error();
      if (between_members) {
        if (!at_member()) return std::size_t{0};
        form == Form::kZstd ? unzstd->restart() : inflater->restart();
        between_members = false;
      }
      if (at == end && !has_more) return damaged("it ends too early");
      const auto step = form == Form::kZstd ? unzstd->step(held(), to) : inflater->step(held(), to);
      if (!step) return damaged(step.error().what);
      at += step->taken;
      between_members = step->ended;
      has_more = step->given == to.size() && !between_members;
      if (step->given > 0) return step->given;
    }
  }

  // What is held begins as something packed does, and not enough of it to tell.
  bool may_go_on() const {
    const std::string_view seen = held();
    if (seen.empty() || ended) return false;
    if (seen == kMagic.substr(0, 1)) return true;
    return seen.size() < kZstdMagic && (Unzstd::begins_frame(std::string(seen).append(
                                            std::string_view("\x28\xb5\x2f\xfd").substr(seen.size()))) ||
                                        Unzstd::begins_frame(std::string(seen).append(
                                            std::string_view("\x50\x2a\x4d\x18").substr(seen.size()))));
  }

  // Waits for no more than it takes: what a pipe has may be a character alone.
  Status know_form() {
    if (const Status status = hold(1); !status) return status;
    for (std::size_t count = 2; count <= kZstdMagic && may_go_on(); ++count)
      if (const Status status = hold(count); !status) return status;
    form = held().starts_with(kMagic)     ? Form::kGzip
           : Unzstd::begins_frame(held()) ? Form::kZstd
                                          : Form::kPlain;
    if (form == Form::kGzip) return start(Inflater::create(Inflater::Format::kGzip), inflater);
    if (form == Form::kZstd) return start(Unzstd::create(), unzstd);
    return Ok{};
  }

  template <class T>
  Status start(Result<T> made, std::optional<T>& into) const {
    if (!made) return Error{made.error().code, name + ": " + made.error().what, {}};
    into.emplace(std::move(*made));
    return Ok{};
  }
};

ByteReader::ByteReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ByteReader::ByteReader(ByteReader&&) noexcept = default;
ByteReader& ByteReader::operator=(ByteReader&&) noexcept = default;
ByteReader::~ByteReader() = default;

Result<ByteReader> ByteReader::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->name = path == "-" ? "standard input" : path;
  struct stat info {};
  if (path != "-" && ::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return invalid(path + ": is a folder, expected a file");
    if (S_ISREG(info.st_mode)) state->total = static_cast<std::size_t>(info.st_size);
  }
  state->file = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (state->file < 0) return Error{Code::kNotFound, path + ": cannot open: " + std::strerror(errno), {}};
  return ByteReader(std::move(state));
}

Result<std::size_t> ByteReader::read(std::span<char> to) {
  State& s = *state_;
  if (s.form == State::Form::kUnknown)
    if (const Status known = s.know_form(); !known) return known.error();
  return s.form == State::Form::kPlain ? s.read_plain(to) : s.read_packed(to);
}

const std::string& ByteReader::name() const { return state_->name; }
bool ByteReader::compressed() const { return state_->form > State::Form::kPlain; }
std::size_t ByteReader::consumed() const { return state_->taken - (state_->end - state_->at); }
std::size_t ByteReader::total() const { return state_->total; }

}  // namespace preferd::rows
