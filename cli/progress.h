// A progress line on standard error, when that is a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace preferd::cli {

class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Redraws at most ten times a second. `share`: part of the work that is done, 0..1, where it is known.
  void show(std::size_t rows, std::int64_t tokens, std::optional<double> share);
  void show_bytes(std::size_t done, std::size_t all);

 private:
  bool due();
  double seconds() const;
  void draw(const std::string& text, std::optional<double> share) const;

  bool on_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace preferd::cli
