#include "model/text/compose.h"

#include <algorithm>

#include "base/unicode.h"
#include "base/utf8.h"

namespace preferd::text {
namespace {

struct Found {
  std::size_t begin;
  const ControlToken* token = nullptr;
};

// The leftmost, longest control token at or after `from`.
Found find_control(std::string_view text, std::size_t from, const std::vector<ControlToken>& controls) {
  for (std::size_t at = from; at < text.size(); ++at)
    for (const ControlToken& token : controls)
      if (!token.text.empty() && token.text[0] == text[at] && text.substr(at).starts_with(token.text))
        return {at, &token};
  return {text.size(), nullptr};
}

std::size_t offset_of(std::string_view text, std::size_t code_points) {
  std::size_t at = 0;
  for (; code_points > 0 && at < text.size(); --code_points) utf8::next(text, at);
  return at;
}

class Composer {
 public:
  Composer(const Tokenizer& tokenizer, Joining joining) : tokenizer_(tokenizer), joining_(joining) {}

  void add(const PartText& part) {
    std::size_t at = 0;
    while (part.special) {
      const Found found = find_control(part.text, at, tokenizer_.controls());
      if (found.token == nullptr) break;
      push(part.text.substr(at, found.begin - at), part);
      if (found.token->lstrip) strip_run();
      flush();
      put_control(found.token->id, part);
      after_rstrip_ = found.token->rstrip;
      at = found.begin + found.token->text.size();
    }
    push(part.text.substr(at), part);
    if (joining_ == Joining::kJoined) return;
    flush();
    before_ = Before::kNothing;
  }

  Composed finish() {
    flush();
    return std::move(out_);
  }

 private:
  struct Piece {
    std::size_t end;  // in out_.text
    Owner owner;
    Guard guard;
  };

  void push(std::string_view text, const PartText& part) {
    if (after_rstrip_) text = unicode::strip_left(text);
    if (text.empty()) return;
    after_rstrip_ = false;
    out_.text += text;
    pieces_.push_back({out_.text.size(), part.owner, part.guard});
  }

  // Takes the white space at the end of the run that is being collected.
  void strip_run() {
    const std::size_t kept = base_ + unicode::strip_right(std::string_view(out_.text).substr(base_)).size();
    out_.text.resize(kept);
    for (Piece& piece : pieces_) piece.end = std::min(piece.end, kept);
    if (kept == base_) pieces_.clear();
  }

  void put_control(std::int32_t id, const PartText& part) {
    const auto at = static_cast<std::uint32_t>(out_.text.size());
    out_.tokens.push_back({id, at, at, part.owner, part.guard, true});
    before_ = Before::kTokens;
  }

  // Normalization may join what two parts contain separately. A part then ends after as many code points as
  // the parts up to it have when they are normalized without what follows.
  void clean_run() {
    const std::string raw = out_.text.substr(base_);
    const std::string clean = tokenizer_.clean(raw);
    if (clean == raw) return;
    for (Piece& piece : pieces_) {
      const std::string prefix = tokenizer_.clean(std::string_view(raw).substr(0, piece.end - base_));
      piece.end = base_ + offset_of(clean, utf8::length(prefix));
    }
    out_.text.resize(base_);
    out_.text += clean;
  }

  void flush() {
    if (pieces_.empty()) return;
    if (tokenizer_.cleans()) clean_run();
    const std::size_t first_range = out_.ranges.size();
    std::size_t begin = base_;
    for (const Piece& piece : pieces_) {
      if (piece.end > begin)
        out_.ranges.push_back({static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(piece.end),
                               piece.owner, piece.guard});
      begin = piece.end;
    }
    const std::string_view run = std::string_view(out_.text).substr(base_);
    tokens_.clear();
    tokenizer_.encode(run, before_, tokens_);
    put_tokens(run, first_range);
    if (!tokens_.empty()) before_ = Before::kTokens;
    base_ = out_.text.size();
    pieces_.clear();
  }

  void put_tokens(std::string_view run, std::size_t range) {
    const std::vector<OwnedRange>& ranges = out_.ranges;
    out_.tokens.reserve(out_.tokens.size() + tokens_.size());
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      std::size_t end = i + 1 < tokens_.size() ? tokens_[i + 1].begin : run.size();
      if (end <= token.begin) {
        end = token.begin;
        if (end < run.size()) utf8::next(run, end);
      }
      OwnedToken owned{token.id,
                       static_cast<std::uint32_t>(base_ + token.begin),
                       static_cast<std::uint32_t>(base_ + end),
                       kTemplateOwner,
                       Guard::kFree,
                       token.lead};
      while (range < ranges.size() && ranges[range].end <= owned.begin) ++range;
      for (std::size_t r = range; r < ranges.size(); ++r) {
        if (ranges[r].begin >= owned.end || ranges[r].end <= owned.begin) continue;
        if (owned.owner == kTemplateOwner) owned.owner = ranges[r].owner;
        owned.guard = std::max(owned.guard, ranges[r].guard);
      }
      out_.tokens.push_back(owned);
    }
  }

  const Tokenizer& tokenizer_;
  const Joining joining_;
  Composed out_;
  std::vector<Piece> pieces_;  // of the run that is being collected, which begins at base_
  std::vector<Token> tokens_;
  std::size_t base_ = 0;
  Before before_ = Before::kNothing;
  bool after_rstrip_ = false;  // a control token that takes white space was the last
};

}  // namespace

Composed compose(std::span<const PartText> parts, const Tokenizer& tokenizer, Joining joining) {
  Composer composer(tokenizer, joining);
  for (const PartText& part : parts) composer.add(part);
  return composer.finish();
}

}  // namespace preferd::text
