#include "server/http/inflate.h"

#include <array>

#include "base/inflater.h"
#include "server/scheduling/admission.h"

namespace preferd::server {
namespace {

Inflater::Format format_of(std::string_view data, Coding coding) {
  if (coding == Coding::kGzip) return Inflater::Format::kGzip;
  if (data.size() < 2) return Inflater::Format::kZlib;
  constexpr int kMethod = 8;  // deflate, in the low bits of the wrapper's first byte (RFC 1950)
  const auto a = static_cast<unsigned char>(data[0]), b = static_cast<unsigned char>(data[1]);
  const bool wrapped = (a & 15) == kMethod && (a * 256 + b) % 31 == 0;
  return wrapped ? Inflater::Format::kZlib : Inflater::Format::kDeflate;
}

}  // namespace

Result<std::string> inflated(std::string_view data, Coding coding, std::size_t limit, Lease& lease) {
  if (coding == Coding::kIdentity) return std::string(data);
  auto inflater = Inflater::create(format_of(data, coding));
  if (!inflater) return inflater.error();
  std::string out;
  std::array<char, 64 * 1024> buffer;
  std::string_view left = data;
  for (bool ended = false; !ended;) {
    const auto step = inflater->step(left, buffer);
    if (!step || (step->taken == 0 && step->given == 0 && !step->ended))
      return invalid("the compressed body is damaged or cut short");
    left.remove_prefix(step->taken);
    ended = step->ended;
    if (step->given > limit - out.size())
      return Error{Code::kTooLarge, "the body inflates to more than " + std::to_string(limit) + " bytes", {}};
    if (!lease.grow_to(data.size() + out.size() + step->given)) return error_of(kTooManyBytes);
    out.append(buffer.data(), step->given);
  }
  if (!left.empty()) return invalid("bytes follow the end of the compressed body");
  return out;
}

}  // namespace preferd::server
