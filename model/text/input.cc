#include "model/text/input.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "model/text/frame.h"
#include "model/text/truncate.h"

namespace preferd::text {
namespace {

// Maximal number of bytes of a sequence before it is tokenized, so that positions fit into 32 bits even if
// normalization makes a text ten times longer.
constexpr std::size_t kLongestText = std::size_t{1} << 28;

class Builder : public InputBuilder {
 public:
  Builder(InputSpec spec, std::shared_ptr<const Tokenizer> tokenizer)
      : spec_(std::move(spec)), tokenizer_(std::move(tokenizer)) {}

  Status prepare(const Files& files) {
    if (Status s = check(); !s) return s.error();
    auto frame = spec_.layout == Layout::kConversation ? make_conversation_frame(spec_, *tokenizer_)
                                                       : make_segments_frame(spec_, *tokenizer_, files);
    if (!frame) return frame.error();
    frame_ = std::move(*frame);
    limit_ = spec_.max_tokens - spec_.add_bos - spec_.add_eos;
    std::vector<Token> marker;
    tokenizer_->encode(tokenizer_->clean(spec_.truncation.marker), Before::kNothing, marker);
    marker_tokens_ = static_cast<std::int64_t>(marker.size());
    if (const Result<Inputs> probe = build({"a", "a", "a", {}}); !probe) return probe.error();
    return Ok{};
  }

  Result<Inputs> build(const Pair& pair) const override {
    if (const Status s = short_enough(pair.prompt.size() + pair.response_a.size() + pair.response_b.size());
        !s)
      return s.error();
    const Field a = {tokenizer_->clean(pair.response_a)}, b = {tokenizer_->clean(pair.response_b)};
    const Prompt prompt = cleaned(pair.prompt, pair.turns);
    Inputs out;
    if (spec_.layout == Layout::kPair) {
      if (Status s = add({{prompt.field, a, b}, prompt.roles}, {0, 1, 2, 3}, out); !s) return s.error();
      return out;
    }
    if (Status s = add({{prompt.field, a}, prompt.roles}, {0, 1, 1, 3}, out); !s) return s.error();
    if (Status s = add({{prompt.field, b}, prompt.roles}, {0, 2, 2, 3}, out); !s) return s.error();
    return out;
  }

  Result<Inputs> build_single(const Single& single) const override {
    PREFERD_CHECK(spec_.layout != Layout::kPair);
    if (const Status s = short_enough(single.prompt.size() + single.response.size()); !s) return s.error();
    const Prompt prompt = cleaned(single.prompt, single.turns);
    Inputs out;
    if (Status s =
            add({{prompt.field, {tokenizer_->clean(single.response)}}, prompt.roles}, {0, 1, 1, 3}, out);
        !s)
      return s.error();
    return out;
  }

 private:
  struct Prompt {
    Field field;
    std::vector<std::string> roles;
  };

  Prompt cleaned(const std::string& text, const std::vector<rows::Turn>& turns) const {
    Prompt out;
    if (spec_.layout == Layout::kConversation)
      for (const rows::Turn& turn : turns) {
        out.field.push_back(tokenizer_->clean(turn.content));
        out.roles.push_back(turn.role);
      }
    if (out.field.empty()) out.field = {tokenizer_->clean(text)};
    return out;
  }

  Status short_enough(std::size_t bytes) const {
    if (bytes <= kLongestText / (spec_.segments.size() + 4)) return Ok{};
    return Error{
        Code::kTooLarge, "texts of " + std::to_string(bytes) + " bytes are too long to be tokenized", {}};
  }

  using PartOf = std::array<std::size_t, 4>;  // Part of each Owner

  // What a sequence is made of.
  struct Texts {
    std::vector<Field> fields;
    std::span<const std::string> roles;
  };

  Status check() const {
    const auto missing = [](const char* flag) {
      return invalid(std::string("input.") + flag + " is true, but the tokenizer names no such token",
                     std::string("input.") + flag);
    };
    if (spec_.add_bos && !tokenizer_->bos().id) return missing("add_bos");
    if (spec_.add_eos && !tokenizer_->eos().id) return missing("add_eos");
    if (spec_.max_tokens < 1) return invalid("input.max_tokens is below 1", "input.max_tokens");
    const auto share = [](double x) { return x >= 0 && x <= 1; };
    const Truncation& t = spec_.truncation;
    if (!share(t.prompt) || !share(t.response) || !share(t.head.value_or(0)))
      return invalid("input.truncation: prompt, response and head are shares from 0 to 1",
                     "input.truncation");
    return Ok{};
  }

  // The sequence without the BOS and EOS that add_bos and add_eos require.
  Result<Composed> content(const Texts& texts) const {
    auto out = frame_->compose(texts.fields, texts.roles);
    if (!out) return out.error();
    auto& tokens = out->tokens;
    if (spec_.add_bos && !tokens.empty() && tokens.front().id == *tokenizer_->bos().id)
      tokens.erase(tokens.begin());
    if (spec_.add_eos && !tokens.empty() && tokens.back().id == *tokenizer_->eos().id) tokens.pop_back();
    return out;
  }

  std::int64_t excess(const Composed& sequence) const {
    return static_cast<std::int64_t>(sequence.tokens.size()) - limit_;
  }

  bool cuts_middles() const {
    return spec_.truncation.mode == Cut::kRatio || spec_.truncation.mode == Cut::kProportional;
  }

  // Whether the fields alone are over the limit, where they are so long that a chat template, which has limits of
  // its own, should not run over all of them first.
  bool far_too_long(const Texts& texts) const {
    constexpr std::size_t kLong = std::size_t{1} << 18;
    if (!cuts_middles() || spec_.layout != Layout::kConversation) return false;
    std::size_t bytes = 0;
    for (const Field& field : texts.fields)
      for (const std::string& piece : field) bytes += piece.size();
    if (bytes < kLong) return false;
    std::int64_t tokens = 0;
    for (const Field& field : texts.fields) tokens += MiddleCut(field, *tokenizer_).tokens();
    return tokens > limit_;
  }

  Result<Composed> fit(const Texts& texts, LostByOwner& lost) const {
    if (far_too_long(texts)) return cut_middles(texts, lost);
    auto out = content(texts);
    if (!out) return out.error();
    const std::int64_t need = excess(*out);
    if (need <= 0) return out;
    if (cuts_middles()) return cut_middles(texts, lost);
    const End end = spec_.truncation.mode == Cut::kRight ? End::kBack : End::kFront;
    if (Status s = cut_end(*out, static_cast<std::size_t>(need), end, lost); !s) return s.error();
    return out;
  }

  // The room for fields: what the frame leaves of the limit when all of them are empty.
  Result<std::int64_t> budget_of(const Texts& texts) const {
    Texts empty{{}, texts.roles};
    for (const Field& field : texts.fields) empty.fields.emplace_back(field.size());
    const auto frame = content(empty);
    if (!frame) return frame.error();
    const std::int64_t taken = static_cast<std::int64_t>(frame->tokens.size());
    if (taken <= limit_) return limit_ - taken;
    return invalid("input.max_tokens is " + std::to_string(spec_.max_tokens) +
                       ", but the template without any text already takes " +
                       std::to_string(spec_.max_tokens - limit_ + taken),
                   "input.max_tokens");
  }

  // One cut is enough, unless seams make more tokens when the cut texts are joined again.
  Result<Composed> cut_middles(const Texts& texts, LostByOwner& lost) const {
    auto budget = budget_of(texts);
    if (!budget) return budget.error();
    const Truncation& how = spec_.truncation;
    const double head = how.head.value_or(how.mode == Cut::kRatio ? 0.75 : 0.5);
    std::vector<MiddleCut> cuts;
    std::vector<std::int64_t> lengths;
    for (const Field& field : texts.fields) lengths.push_back(cuts.emplace_back(field, *tokenizer_).tokens());
    while (true) {
      const std::vector<std::int64_t> shares = field_shares(how, lengths, *budget, marker_tokens_);
      Texts kept{{}, texts.roles};
      for (std::size_t f = 0; f < cuts.size(); ++f)
        kept.fields.push_back(cuts[f].cut(shares[f], head, how.marker, lost[f]));
      auto out = content(kept);
      if (!out || excess(*out) <= 0) return out;
      *budget -= excess(*out);
    }
  }

  Status add(const Texts& texts, const PartOf& part_of, Inputs& out) const {
    LostByOwner lost{};
    const Result<Composed> sequence = fit(texts, lost);
    if (!sequence) return sequence.error();
    for (std::size_t owner = 0; owner < lost.size(); ++owner) {
      out.truncated[part_of[owner]].tokens += lost[owner].tokens;
      out.truncated[part_of[owner]].chars += lost[owner].chars;
    }
    std::array<std::int64_t, 4> counts{};
    std::vector<std::int32_t> ids;
    ids.reserve(sequence->tokens.size() + 2);
    if (spec_.add_bos) ids.push_back(*tokenizer_->bos().id);
    for (const OwnedToken& token : sequence->tokens) {
      ids.push_back(token.id);
      ++counts[part_of[token.owner]];
    }
    if (spec_.add_eos) ids.push_back(*tokenizer_->eos().id);
    PREFERD_CHECK(ids.size() <= static_cast<std::size_t>(spec_.max_tokens));
    out.tokens.prompt += counts[0];
    out.tokens.response_a += counts[1];
    out.tokens.response_b += counts[2];
    out.tokens.total += static_cast<std::int64_t>(ids.size());
    out.sequences.push_back(std::move(ids));
    return Ok{};
  }

  const InputSpec spec_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const Frame> frame_;
  std::int64_t limit_ = 0;  // max_tokens minus BOS and EOS
  std::int64_t marker_tokens_ = 0;
};

}  // namespace

Result<std::shared_ptr<const InputBuilder>> InputBuilder::create(InputSpec spec,
                                                                 std::shared_ptr<const Tokenizer> tokenizer,
                                                                 const Files& model_directory) {
  auto out = std::make_shared<Builder>(std::move(spec), std::move(tokenizer));
  if (Status s = out->prepare(model_directory); !s) return s.error();
  return std::shared_ptr<const InputBuilder>(std::move(out));
}

}  // namespace preferd::text
