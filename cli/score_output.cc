#include "cli/score_output.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace preferd::cli {

Result<Output> Output::open(const std::string& path, Existing existing) {
  Output out;
  if (path == "-") {
    out.file_ = stdout;
    return out;
  }
  out.path_ = path;
  out.existing_ = existing;
  const bool resume = existing == Existing::kContinued;
  if (resume) out.read_whole_lines();
  out.file_ = std::fopen(path.c_str(), resume ? "ab" : "wb");
  if (out.file_ == nullptr) return invalid(path + ": cannot open for writing: " + std::strerror(errno));
  return out;
}

Status Output::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0) return Ok{};
  return invalid((path_.empty() ? "standard output" : path_) + ": cannot write: " + std::strerror(errno));
}

Status Output::cut_torn_line() {
  std::error_code ec;
  if (existing_ == Existing::kContinued && std::filesystem::file_size(path_, ec) > whole_)
    std::filesystem::resize_file(path_, whole_, ec);
  if (ec) return invalid(path_ + ": cannot resume: " + ec.message());
  return Ok{};
}

void Output::read_whole_lines() {
  std::ifstream in(path_, std::ios::binary);
  for (std::string line; std::getline(in, line) && !in.eof();) {
    whole_ += line.size() + 1;
    if (kept_++ == 0) first_ = line;
    last_ = std::move(line);
  }
}

}  // namespace preferd::cli
