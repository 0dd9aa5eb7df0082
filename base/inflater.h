// Undoes gzip, zlib and deflate (RFC 1950 to 1952) piece by piece. Over inflate() of zlib and not over gzread(),
// which reads files alone and waits until its buffer is full, where what a pipe has is wanted at once.
//
// One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/result.h"

namespace preferd {

class Inflater {
 public:
  enum class Format { kGzip, kZlib, kDeflate };  // kDeflate: without a wrapper

  // Errors: kInternal, zlib does not start.
  static Result<Inflater> create(Format format);

  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;
  ~Inflater();

  struct Step {
    std::size_t taken = 0;  // from the front of `in`
    std::size_t given = 0;  // to the front of `out`
    bool ended = false;     // the stream is whole
  };

  // Decodes until `in` is used up, `out` is full or the stream ends. Without an end, nothing taken and nothing
  // given mean that more of `in` is needed; a full `out` means that there may be more to give, even of an
  // empty `in`. Errors: kInvalid, what is wrong with the stream; it is then over.
  Result<Step> step(std::string_view in, std::span<char> out);

  // Another stream of the same format begins.
  void restart();

 private:
  struct State;
  explicit Inflater(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace preferd
