// Undoes Zstandard (RFC 8878) piece by piece, as Inflater does gzip: over ZSTD_decompressStream(), which gives what it
// can of what a pipe has. Frames that ask for a window beyond 128 MiB are refused, as zstd itself does.
//
// One thread.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "base/inflater.h"
#include "base/result.h"

namespace preferd {

class Unzstd {
 public:
  // True for the first four bytes of a frame, one to skip included.
  static bool begins_frame(std::string_view bytes);

  // Errors: kInternal, libzstd does not start.
  static Result<Unzstd> create();

  Unzstd(Unzstd&&) noexcept;
  Unzstd& operator=(Unzstd&&) noexcept;
  ~Unzstd();

  // As Inflater::step(), of one frame.
  Result<Inflater::Step> step(std::string_view in, std::span<char> out);

  // Another frame begins.
  void restart();

 private:
  struct State;
  explicit Unzstd(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace preferd
