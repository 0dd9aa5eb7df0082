// A file for one test; removed with the object.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/deflated.h"

namespace preferd::rows {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& bytes, const std::string& ending = ".jsonl")
      : path_(testing::TempDir() + "/rows_" + std::to_string(getpid()) + ending) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// One Zstandard frame.
inline std::string zstd_frame(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

// One gzip member.
inline std::string gzipped(const std::string& text) {
  return testing_support::deflated(text, testing_support::Wrapper::kGzip);
}

}  // namespace preferd::rows
