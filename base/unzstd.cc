#include "base/unzstd.h"

#include <zstd.h>

namespace preferd {

struct Unzstd::State {
  ZSTD_DCtx* stream = ZSTD_createDCtx();

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ZSTD_freeDCtx(stream); }
};

Unzstd::Unzstd(std::unique_ptr<State> state) : state_(std::move(state)) {}
Unzstd::Unzstd(Unzstd&&) noexcept = default;
Unzstd& Unzstd::operator=(Unzstd&&) noexcept = default;
Unzstd::~Unzstd() = default;

bool Unzstd::begins_frame(std::string_view bytes) {
  using namespace std::string_view_literals;
  if (bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return true;
  return bytes.size() >= 4 && (static_cast<unsigned char>(bytes[0]) & 0xf0) == 0x50 &&
         bytes.substr(1, 3) == "\x2a\x4d\x18"sv;
}

Result<Unzstd> Unzstd::create() {
  auto state = std::make_unique<State>();
  if (state->stream == nullptr) return Error{Code::kInternal, "libzstd does not start", {}};
  return Unzstd(std::move(state));
}

Result<Inflater::Step> Unzstd::step(std::string_view in, std::span<char> out) {
  ZSTD_inBuffer from{in.data(), in.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  const std::size_t wanted = ZSTD_decompressStream(state_->stream, &to, &from);
  if (ZSTD_isError(wanted) != 0) return invalid(ZSTD_getErrorName(wanted));
  return Inflater::Step{from.pos, to.pos, wanted == 0};
}

void Unzstd::restart() { ZSTD_DCtx_reset(state_->stream, ZSTD_reset_session_only); }

}  // namespace preferd
