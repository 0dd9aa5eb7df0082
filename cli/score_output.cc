#include "cli/score_output.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace preferd::cli {

Result<Output> Output::open(const std::string& path, Existing existing) {
  Output out;
  if (path == "-") {
    out.file_ = stdout;
    return out;
  }
  const bool resume = existing == Existing::kContinued;
  if (resume && std::filesystem::exists(path))
    if (const Status kept = out.keep_whole_lines(path); !kept) return kept.error();
  out.file_ = std::fopen(path.c_str(), resume ? "ab" : "wb");
  if (out.file_ == nullptr) return invalid(path + ": cannot open for writing: " + std::strerror(errno));
  out.path_ = path;
  return out;
}

Status Output::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0) return Ok{};
  return invalid((path_.empty() ? "standard output" : path_) + ": cannot write: " + std::strerror(errno));
}

Status Output::keep_whole_lines(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::uintmax_t size = 0, whole = 0;
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
    for (std::streamsize i = 0; i < in.gcount(); ++i) {
      ++size;
      if (buffer[static_cast<std::size_t>(i)] != '\n') continue;
      whole = size;
      ++kept_;
    }
  }
  std::error_code ec;
  std::filesystem::resize_file(path, whole, ec);
  if (ec) return invalid(path + ": cannot resume: " + ec.message());
  return Ok{};
}

}  // namespace preferd::cli
