// How far a command is, on standard error: on a terminal a bar that moves, elsewhere a line every ten
// seconds.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace preferd::cli {

class Progress {
 public:
  enum class Shown { kAlways, kNever };
  explicit Progress(Shown shown);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Both draw when it is due. `share`: part of the work that is done, 0..1, where it is known.
  void show(std::size_t rows, std::int64_t tokens, std::optional<double> share);
  void show_bytes(std::size_t done, std::size_t all);

  void line(const std::string& text);  // a line that stays

 private:
  bool due();
  double seconds() const;
  void draw(std::string text, std::optional<double> share) const;

  bool on_, terminal_;
  std::chrono::steady_clock::time_point start_, last_;
};

}  // namespace preferd::cli
