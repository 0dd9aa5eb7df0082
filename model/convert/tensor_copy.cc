#include "model/convert/tensor_copy.h"

#include <algorithm>

#include "base/files.h"

namespace preferd::convert {
namespace {

constexpr std::size_t kPiece = std::size_t{8} << 20;  // a multiple of every element's size

}  // namespace

Status in_pieces(const checkpoint::StoredTensor& mapped,
                 const std::function<Status(std::span<const std::byte>)>& visit) {
  for (std::size_t at = 0; at < mapped.bytes.size(); at += kPiece) {
    const auto piece = mapped.bytes.subspan(at, std::min(kPiece, mapped.bytes.size() - at));
    if (const Status s = visit(piece); !s) return s.error();
    release_pages(piece);
  }
  return Ok{};
}

Status copy_tensor(const std::string& name, const checkpoint::StoredTensor& mapped,
                   checkpoint::CheckpointWriter& out) {
  if (mapped.bytes.empty()) return out.write(name, {});
  return in_pieces(mapped, [&](std::span<const std::byte> piece) { return out.write(name, piece); });
}

bool finite_in_pieces(const checkpoint::StoredTensor& mapped) {
  return static_cast<bool>(in_pieces(mapped, [&](std::span<const std::byte> piece) -> Status {
    const auto count = static_cast<std::int64_t>(piece.size() / quant::size_of(mapped.dtype));
    if (checkpoint::all_finite({mapped.dtype, {count}, piece, mapped.owner})) return Ok{};
    return invalid("not finite");
  }));
}

}  // namespace preferd::convert
