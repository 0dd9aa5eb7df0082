#include "base/inflater.h"

#define ZLIB_CONST  // zlib reads its input and does not write it
#include <zlib.h>

#include <algorithm>
#include <limits>

namespace preferd {
namespace {

constexpr std::size_t kMost = std::numeric_limits<uInt>::max();

// zlib's window argument: +16 means gzip, negative means no wrapper.
int window_bits(Inflater::Format format) {
  switch (format) {
    case Inflater::Format::kGzip: return MAX_WBITS + 16;
    case Inflater::Format::kZlib: return MAX_WBITS;
    default: return -MAX_WBITS;
  }
}

}  // namespace

struct Inflater::State {
  z_stream stream{};

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { inflateEnd(&stream); }
};

Inflater::Inflater(std::unique_ptr<State> state) : state_(std::move(state)) {}
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;
Inflater::~Inflater() = default;

Result<Inflater> Inflater::create(Format format) {
  auto state = std::make_unique<State>();
  if (inflateInit2(&state->stream, window_bits(format)) != Z_OK)
    return Error{Code::kInternal, "zlib does not start", {}};
  return Inflater(std::move(state));
}

Result<Inflater::Step> Inflater::step(std::string_view in, std::span<char> out) {
  z_stream& stream = state_->stream;
  const auto room = static_cast<uInt>(std::min(out.size(), kMost));
  const auto held = static_cast<uInt>(std::min(in.size(), kMost));
  stream.next_in = reinterpret_cast<const Bytef*>(in.data());
  stream.avail_in = held;
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = room;
  const int status = inflate(&stream, Z_NO_FLUSH);
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
    return invalid(stream.msg == nullptr ? "unknown" : stream.msg);
  return Step{held - stream.avail_in, room - stream.avail_out, status == Z_STREAM_END};
}

void Inflater::restart() { inflateReset(&state_->stream); }

}  // namespace preferd
