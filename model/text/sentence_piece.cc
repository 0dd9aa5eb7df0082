#include "model/text/sentence_piece.h"

#include "base/utf8.h"
#include "model/text/sentence_piece_models.h"
#include "model/text/sentence_piece_normalizer.h"

namespace preferd::text {
namespace {

class SentencePiece : public Tokenizer {
 public:
  SentencePiece(const SentencePieceFile& file, SentencePieceNormalizer normalizer,
                std::unique_ptr<const SentencePieceModel> model, const EndNames& ends)
      : normalizer_(std::move(normalizer)),
        model_(std::move(model)),
        unknown_(file.unknown),
        byte_fallback_(file.byte_fallback) {
    top_id_ = static_cast<std::int32_t>(file.pieces.size()) - 1;
    std::vector<ControlToken> controls;
    for (std::size_t i = 0; i < file.pieces.size(); ++i) {
      const auto& piece = file.pieces[i];
      const auto id = static_cast<std::int32_t>(i);
      if (piece.type == SentencePieceFile::kControl) controls.push_back({std::string(piece.text), id});
      if (piece.type == SentencePieceFile::kByte)
        bytes_[static_cast<std::size_t>(byte_of_piece(piece.text))] = id;
    }
    set_controls(std::move(controls), ends);
    name(bos_, file.bos);
    name(eos_, file.eos);
    if (ends.adds_bos && bos_.id) post_processor_->one.front = post_processor_->two.front = {*bos_.id};
  }

  bool cleans() const override { return false; }

  void encode(std::string_view text, Before before, std::vector<Token>& out) const override {
    using Prefix = SentencePieceNormalizer::Prefix;
    const NormalizedText normalized =
        normalizer_.normalize(text, before == Before::kNothing ? Prefix::kAsTheModelSays : Prefix::kNone);
    std::vector<PieceSpan> spans;
    model_->encode(normalized.text, spans);
    out.reserve(out.size() + spans.size());
    bool after_unknown = false;
    for (const PieceSpan& span : spans) {
      const std::uint32_t begin = normalized.origin[span.begin];
      const bool unknown = span.id == unknown_;
      if (unknown && byte_fallback_)
        for (std::uint32_t i = span.begin; i < span.end; ++i) put_byte(normalized.text[i], begin, out);
      else if (!unknown || !after_unknown)
        out.push_back({span.id, begin, true});
      after_unknown = unknown;
    }
  }

 private:
  void name(NamedToken& token, std::string_view piece) {
    if (token.id) return;
    if (const auto id = control(piece)) token = {std::string(piece), id};
  }

  void put_byte(char byte, std::uint32_t begin, std::vector<Token>& out) const {
    out.push_back({bytes_[static_cast<unsigned char>(byte)], begin, !utf8::is_continuation(byte)});
  }

  SentencePieceNormalizer normalizer_;
  std::unique_ptr<const SentencePieceModel> model_;
  std::array<std::int32_t, 256> bytes_{};
  std::int32_t unknown_;
  bool byte_fallback_;
};

Result<std::unique_ptr<const SentencePieceModel>> make_model(const SentencePieceFile& file) {
  if (file.model == SentencePieceFile::kUnigram)
    return std::unique_ptr<const SentencePieceModel>(new UnigramModel(file));
  if (file.model != SentencePieceFile::kBpe)
    return invalid("the SentencePiece model is of type " + std::to_string(file.model) +
                   ", expected Unigram (1) or BPE (2)");
  Result<SentencePieceBpe> bpe = SentencePieceBpe::create(file);
  if (!bpe) return bpe.error();
  return std::unique_ptr<const SentencePieceModel>(new SentencePieceBpe(std::move(*bpe)));
}

}  // namespace

Result<std::shared_ptr<const Tokenizer>> make_sentence_piece(std::string_view proto, const EndNames& ends) {
  const Result<SentencePieceFile> file = read_sentence_piece_file(proto);
  if (!file) return file.error();
  Result<SentencePieceNormalizer> normalizer = SentencePieceNormalizer::create(*file);
  if (!normalizer) return normalizer.error();
  Result<std::unique_ptr<const SentencePieceModel>> model = make_model(*file);
  if (!model) return model.error();
  return std::shared_ptr<const Tokenizer>(
      std::make_shared<SentencePiece>(*file, std::move(*normalizer), std::move(*model), ends));
}

}  // namespace preferd::text
