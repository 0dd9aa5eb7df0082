#include "server/http/inflate.h"

#define ZLIB_CONST  // zlib reads its input and does not write it
#include <zlib.h>

#include <algorithm>
#include <array>

#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {

// zlib's window argument: +16 means gzip, negative means no wrapper.
int window_bits(std::string_view data, Coding coding) {
  if (coding == Coding::kGzip) return MAX_WBITS + 16;
  if (data.size() < 2) return MAX_WBITS;
  const auto a = static_cast<unsigned char>(data[0]), b = static_cast<unsigned char>(data[1]);
  const bool wrapped = (a & 15) == Z_DEFLATED && (a * 256 + b) % 31 == 0;
  return wrapped ? MAX_WBITS : -MAX_WBITS;
}

class Inflater {
 public:
  Inflater(std::string_view data, Coding coding) {
    stream_.next_in = reinterpret_cast<const Bytef*>(data.data());
    stream_.avail_in = static_cast<uInt>(data.size());
    ready_ = inflateInit2(&stream_, window_bits(data, coding)) == Z_OK;
  }
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  bool ready() const { return ready_; }
  bool input_left() const { return stream_.avail_in > 0; }

  // Z_OK or Z_STREAM_END, or what zlib says; `got` bytes are in `out`.
  int step(std::array<char, 64 * 1024>& out, std::size_t& got) {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    got = out.size() - stream_.avail_out;
    return status;
  }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

Result<std::string> inflated(std::string_view data, Coding coding, std::size_t limit, Lease& lease) {
  if (coding == Coding::kIdentity) return std::string(data);
  Inflater inflater(data, coding);
  if (!inflater.ready()) return Error{Code::kInternal, "zlib does not start", {}};
  std::string out;
  std::array<char, 64 * 1024> buffer;
  for (int status = Z_OK; status != Z_STREAM_END;) {
    std::size_t got = 0;
    status = inflater.step(buffer, got);
    if (status != Z_OK && status != Z_STREAM_END)
      return invalid("the compressed body is damaged or cut short");
    if (got > limit - out.size())
      return Error{Code::kTooLarge, "the body inflates to more than " + std::to_string(limit) + " bytes", {}};
    if (!lease.grow_to(data.size() + out.size() + got)) return error_of(kTooManyBytes);
    out.append(buffer.data(), got);
  }
  if (inflater.input_left()) return invalid("bytes follow the end of the compressed body");
  return out;
}

}  // namespace preferd::server
