#include "rows/lines.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace preferd {

struct LineReader::State {
  gzFile file = nullptr;
  std::string path;
  std::array<char, 1 << 16> buffer{};
  std::size_t at = 0, end = 0, lines = 0, total = 0;
  bool begun = false, finished = false;

  ~State() {
    if (file != nullptr) gzclose(file);
  }

  Status fill() {
    const int got = gzread(file, buffer.data(), static_cast<unsigned>(buffer.size()));
    int code = Z_OK;
    const char* why = got <= 0 ? gzerror(file, &code) : "";
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
      return invalid(path + ": cannot read" +
                     (code == Z_ERRNO ? std::string(": ") + std::strerror(errno)
                                      : std::string(" (damaged gzip?): ") + why));
    end = static_cast<std::size_t>(got);
    at = !begun && std::string_view(buffer.data(), end).starts_with("\xEF\xBB\xBF") ? 3 : 0;
    begun = true;
    finished = got == 0;
    return Ok{};
  }
};

LineReader::LineReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
LineReader::~LineReader() = default;

Result<LineReader> LineReader::open(const std::string& path) {
  auto state = std::make_unique<State>();
  state->path = path == "-" ? "standard input" : path;
  struct stat info {};
  if (path != "-" && ::stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return invalid(path + ": is a folder, expected a file");
    if (S_ISREG(info.st_mode)) state->total = static_cast<std::size_t>(info.st_size);
  }
  state->file = path == "-" ? gzdopen(::dup(STDIN_FILENO), "rb") : gzopen(path.c_str(), "rb");
  if (state->file == nullptr)
    return Error{Code::kNotFound, path + ": cannot open: " + std::strerror(errno), {}};
  gzbuffer(state->file, 1 << 18);
  return LineReader(std::move(state));
}

Result<std::optional<std::string>> LineReader::next() {
  State& s = *state_;
  std::string line;
  while (true) {
    if (s.at == s.end && !s.finished)
      if (const Status filled = s.fill(); !filled) return filled.error();
    if (s.finished) {
      if (line.empty()) return std::optional<std::string>();
      break;
    }
    const char* from = s.buffer.data() + s.at;
    const auto* found = static_cast<const char*>(std::memchr(from, '\n', s.end - s.at));
    const std::size_t count = found != nullptr ? static_cast<std::size_t>(found - from) : s.end - s.at;
    if (line.size() + count > kMaxLineBytes)
      return invalid(s.path + ": line " + std::to_string(s.lines + 1) + " is longer than 256 MiB");
    line.append(from, count);
    s.at += count + (found != nullptr ? 1 : 0);
    if (found != nullptr) break;
  }
  ++s.lines;
  return std::optional<std::string>(std::move(line));
}

Result<std::optional<std::vector<std::string>>> LineReader::next_record() {
  using Record = std::optional<std::vector<std::string>>;
  auto line = next();
  if (!line) return line.error();
  if (!*line) return Record();
  const std::size_t first_line = state_->lines;
  std::vector<std::string> fields(1);
  bool quoted = false;
  std::string text = std::move(**line);
  for (std::size_t i = 0;; ++i) {
    if (i == text.size()) {
      if (!quoted) break;
      fields.back() += '\n';
      if (fields.back().size() > kMaxLineBytes)
        return invalid(state_->path + ": a field is longer than 256 MiB");
      auto more = next();
      if (!more) return more.error();
      if (!*more)
        return invalid(state_->path + ": the quote opened in line " + std::to_string(first_line) +
                       " is never closed");
      text = std::move(**more);
      i = static_cast<std::size_t>(-1);
      continue;
    }
    const char c = text[i];
    if (quoted) {
      if (c != '"')
        fields.back() += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        fields.back() += '"', ++i;
      else
        quoted = false;
    } else if (c == '"' && fields.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c != '\r' || i + 1 != text.size()) {
      fields.back() += c;
    }
  }
  return Record(std::move(fields));
}

std::size_t LineReader::line_number() const { return state_->lines; }
std::size_t LineReader::bytes_total() const { return state_->total; }

std::size_t LineReader::bytes_read() const {
  const auto at = gzoffset(state_->file);
  return at < 0 ? 0 : static_cast<std::size_t>(at);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace preferd
