// The library adds its dummy prefix to every text, yet a text that follows control tokens has none. So there
// are two processors, the second without the prefix. Protocol buffers merge a field that comes again, hence a
// second normalizer_spec (field 3) with add_dummy_prefix (field 3 of it) false at the end of the bytes.
#include "model/text/sentence_piece.h"

#include <algorithm>

#include "base/utf8.h"
#include "model/text/sentencepiece/processor.h"

namespace preferd {
namespace {

constexpr std::string_view kNoDummyPrefix("\x1A\x02\x18\x00", 4);

class SentencePiece : public Tokenizer {
 public:
  static Result<std::shared_ptr<const Tokenizer>> load(std::string_view proto, const EndNames& ends) {
    auto prefixed = SentencePieceProcessor::create(proto);
    if (!prefixed) return prefixed.error();
    auto bare = SentencePieceProcessor::create(std::string(proto).append(kNoDummyPrefix));
    if (!bare) return bare.error();
    auto out = std::make_shared<SentencePiece>(std::move(*prefixed), std::move(*bare));
    out->read_pieces(ends);
    return std::shared_ptr<const Tokenizer>(std::move(out));
  }

  SentencePiece(SentencePieceProcessor prefixed, SentencePieceProcessor bare)
      : prefixed_(std::move(prefixed)), bare_(std::move(bare)) {}

  bool cleans() const override { return false; }

  void encode(std::string_view text, Before before, std::vector<Token>& out) const override {
    const auto& processor = before == Before::kNothing ? prefixed_ : bare_;
    processor.encode(text, [&](std::int32_t id, std::uint32_t begin) {
      while (begin > 0 && begin < text.size() && utf8::is_continuation(text[begin])) --begin;
      out.push_back({id, begin, inside_[static_cast<std::size_t>(id)] == 0});
    });
  }

 private:
  void read_pieces(const EndNames& ends) {
    const int size = prefixed_.size();
    inside_.assign(static_cast<std::size_t>(size), 0);
    top_id_ = size - 1;
    std::vector<ControlToken> controls;
    for (int id = 0; id < size; ++id) {
      const std::string piece(prefixed_.piece(id));
      if (prefixed_.is_control(id)) controls.push_back({piece, id});
      if (prefixed_.is_byte(id)) inside_[static_cast<std::size_t>(id)] = piece[3] >= '8' && piece[3] <= 'B';
    }
    set_controls(std::move(controls), ends.bos, ends.eos);
    const auto fill = [&](NamedToken& token, int id) {
      if (!token.id && id >= 0) token = {std::string(prefixed_.piece(id)), id};
    };
    fill(bos_, prefixed_.bos());
    fill(eos_, prefixed_.eos());
  }

  SentencePieceProcessor prefixed_, bare_;
  std::vector<std::uint8_t> inside_;  // by id: a byte piece of a UTF-8 continuation byte
};

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_sentence_piece(std::string_view proto, const EndNames& ends) {
  return SentencePiece::load(proto, ends);
}

}  // namespace preferd
