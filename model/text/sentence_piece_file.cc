#include "model/text/sentence_piece_file.h"

#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "base/utf8.h"

namespace preferd::text {
namespace {

struct Field {
  std::uint64_t number = 0;
  std::uint64_t integer = 0;  // wire types 0, 1, 5
  std::string_view bytes;     // wire type 2
  int wire = 0;
};

// Walks the fields of one message.
class Fields {
 public:
  explicit Fields(std::string_view message) : left_(message) {}

  // Nothing at the end, or if the rest is malformed.
  std::optional<Field> next() {
    if (left_.empty()) return std::nullopt;
    Field out;
    const std::optional<std::uint64_t> tag = varint();
    if (!tag) return fail();
    out.number = *tag >> 3;
    out.wire = static_cast<int>(*tag & 7);
    std::optional<std::uint64_t> size;
    switch (out.wire) {
      case 0: size = varint(); break;
      case 1: size = fixed(8); break;
      case 5: size = fixed(4); break;
      case 2: size = varint(); break;
      default: break;
    }
    if (!size) return fail();
    out.integer = *size;
    if (out.wire != 2) return out;
    if (*size > left_.size()) return fail();
    out.bytes = left_.substr(0, *size);
    left_.remove_prefix(*size);
    return out;
  }

  bool sound() const { return sound_; }

 private:
  std::optional<Field> fail() {
    sound_ = false;
    return std::nullopt;
  }

  std::optional<std::uint64_t> varint() {
    std::uint64_t out = 0;
    for (int shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      out |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return out;
    }
    return std::nullopt;
  }

  std::optional<std::uint64_t> fixed(std::size_t bytes) {
    if (left_.size() < bytes) return std::nullopt;
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      out |= std::uint64_t{static_cast<unsigned char>(left_[i])} << (8 * i);
    left_.remove_prefix(bytes);
    return out;
  }

  std::string_view left_;
  bool sound_ = true;
};

float as_float(std::uint64_t bits) {
  const auto low = static_cast<std::uint32_t>(bits);
  float out;
  std::memcpy(&out, &low, sizeof out);
  return out;
}

bool read_piece(std::string_view message, SentencePieceFile::Piece& out) {
  Fields fields(message);
  while (const auto f = fields.next()) {
    if (f->number == 1) out.text = f->bytes;
    if (f->number == 2) out.score = as_float(f->integer);
    if (f->number == 3) out.type = static_cast<int>(f->integer);
  }
  return fields.sound();
}

bool read_trainer(std::string_view message, SentencePieceFile& out) {
  Fields fields(message);
  while (const auto f = fields.next()) {
    if (f->number == 3) out.model = static_cast<int>(f->integer);
    if (f->number == 24) out.space_as_suffix = f->integer != 0;
    if (f->number == 35) out.byte_fallback = f->integer != 0;
    if (f->number == 46) out.bos = f->bytes;
    if (f->number == 47) out.eos = f->bytes;
  }
  return fields.sound();
}

bool read_normalizer(std::string_view message, SentencePieceFile& out) {
  Fields fields(message);
  while (const auto f = fields.next()) {
    if (f->number == 2) out.character_map = f->bytes;
    if (f->number == 3) out.dummy_prefix = f->integer != 0;
    if (f->number == 4) out.remove_extra_spaces = f->integer != 0;
    if (f->number == 5) out.escape_spaces = f->integer != 0;
  }
  return fields.sound();
}

Status check_pieces(SentencePieceFile& file) {
  std::unordered_set<std::string_view> seen;
  std::array<bool, 256> bytes{};
  std::size_t bytes_found = 0;
  for (std::size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    const std::string where = "piece " + std::to_string(id);
    if (piece.text.empty() || !utf8::valid(piece.text)) return invalid(where + " is empty or not UTF-8");
    if (!seen.insert(piece.text).second) return invalid(where + " occurs twice");
    if (!std::isfinite(piece.score)) return invalid(where + " has a score that is not finite");
    if (piece.type == SentencePieceFile::kUnknown) file.unknown = static_cast<std::int32_t>(id);
    if (piece.type != SentencePieceFile::kByte) continue;
    const int byte = byte_of_piece(piece.text);
    if (byte < 0) return invalid(where + " is a byte piece, but not <0x00> to <0xFF>");
    bytes_found += !std::exchange(bytes[static_cast<std::size_t>(byte)], true);
  }
  if (file.unknown < 0) return invalid("there is no unknown piece");
  if (file.byte_fallback && bytes_found != bytes.size()) return invalid("byte pieces are missing");
  return Ok{};
}

}  // namespace

int byte_of_piece(std::string_view piece) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const int high = digit(piece[3]), low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Result<SentencePieceFile> read_sentence_piece_file(std::string_view proto) {
  SentencePieceFile out;
  Fields fields(proto);
  bool sound = true;
  while (const auto f = fields.next()) {
    if (f->number == 1) sound = read_piece(f->bytes, out.pieces.emplace_back()) && sound;
    if (f->number == 2) sound = read_trainer(f->bytes, out) && sound;
    if (f->number == 3) sound = read_normalizer(f->bytes, out) && sound;
  }
  if (!sound || !fields.sound() || out.pieces.empty())
    return invalid("the file is not a SentencePiece model");
  if (Status s = check_pieces(out); !s)
    return invalid("the SentencePiece model is malformed: " + s.error().what);
  return out;
}

}  // namespace preferd::text
