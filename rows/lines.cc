#include "rows/lines.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "rows/byte_reader.h"

namespace preferd::rows {

namespace {

// With a name for the new file that keeps the ending, which says what is in it.
Error utf16(const std::string& path) {
  const std::size_t dot = path.rfind('.');
  const std::string ending = dot == path.npos || path.find('/', dot) != path.npos ? "" : path.substr(dot);
  const std::string to = path.substr(0, path.size() - ending.size()) + ".utf8" + ending;
  return invalid(path + ": is UTF-16, expected UTF-8; convert it with: iconv -f UTF-16 -t UTF-8 '" + path +
                 "' > '" + to + "'");
}

}  // namespace

struct LineReader::State {
  ByteReader bytes;
  std::array<char, 1 << 16> buffer{};
  std::size_t at = 0, end = 0, lines = 0;
  bool begun = false, finished = false;

  Status fill() {
    at = end = 0;
    // Of a mark that comes in pieces, all of them.
    while (!finished && (end == 0 || (!begun && begins_a_mark()))) {
      const auto got = bytes.read(std::span(buffer).subspan(end));
      if (!got) return got.error();
      end += *got;
      finished = *got == 0;
    }
    if (!begun && std::any_of(kUtf16.begin(), kUtf16.end(), [&](auto m) { return held().starts_with(m); }))
      return utf16(bytes.name());
    if (!begun && held().starts_with(kMark)) at = kMark.size();
    begun = true;
    return Ok{};
  }
  std::string_view held() const { return {buffer.data(), end}; }

  bool begins_a_mark() const {
    const auto begins = [&](std::string_view mark) { return end < mark.size() && mark.starts_with(held()); };
    return begins(kMark) || std::any_of(kUtf16.begin(), kUtf16.end(), begins);
  }

  static constexpr std::string_view kMark = "\xEF\xBB\xBF";
  static constexpr std::array<std::string_view, 2> kUtf16 = {"\xFF\xFE", "\xFE\xFF"};
};

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Result<LineReader> LineReader::open(const std::string& path) {
  auto bytes = ByteReader::open(path);
  if (!bytes) return bytes.error();
  return LineReader(std::make_unique<State>(State{std::move(*bytes)}));
}

Result<std::optional<std::string>> LineReader::next() {
  State& s = *state_;
  std::string line;
  while (true) {
    if (s.at == s.end && !s.finished)
      if (const Status filled = s.fill(); !filled) return filled.error();
    if (s.at == s.end && s.finished) {
      if (line.empty()) return std::optional<std::string>();
      break;
    }
    const char* from = s.buffer.data() + s.at;
    const auto* found = static_cast<const char*>(std::memchr(from, '\n', s.end - s.at));
    const std::size_t count = found != nullptr ? static_cast<std::size_t>(found - from) : s.end - s.at;
    if (line.size() + count > kMaxLineBytes)
      return invalid(s.bytes.name() + ": line " + std::to_string(s.lines + 1) + " is longer than " +
                     std::to_string(kMaxLineMiB) + " MiB");
    line.append(from, count);
    s.at += count + (found != nullptr ? 1 : 0);
    if (found != nullptr) break;
  }
  ++s.lines;
  return std::optional<std::string>(std::move(line));
}

Result<std::string_view> LineReader::held() {
  State& s = *state_;
  while (s.at == s.end && !s.finished)
    if (const Status filled = s.fill(); !filled) return filled.error();
  return s.held().substr(s.at);
}

void LineReader::take(std::size_t count) {
  State& s = *state_;
  const auto taken = s.held().substr(s.at, count);
  s.lines += static_cast<std::size_t>(std::count(taken.begin(), taken.end(), '\n'));
  s.at += count;
}

const std::string& LineReader::name() const { return state_->bytes.name(); }
std::size_t LineReader::line_number() const { return state_->lines; }
std::size_t LineReader::bytes_total() const { return state_->bytes.total(); }
std::size_t LineReader::bytes_read() const {
  const std::size_t ahead = state_->bytes.compressed() ? 0 : state_->end - state_->at;
  return state_->bytes.consumed() - ahead;
}

}  // namespace preferd::rows
