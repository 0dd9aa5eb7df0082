#include "model/text/input.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/unicode.h"
#include "model/text/chat.h"
#include "model/text/compose.h"
#include "model/text/truncate.h"

namespace preferd::text {
namespace {

// Maximal number of bytes of a sequence before it is tokenized, so that positions fit into 32 bits even if
// normalization makes a text ten times longer.
constexpr std::size_t kLongestText = std::size_t{1} << 28;

using Texts = std::vector<std::string_view>;  // by field of the layout

// Part of the prepared template: fixed text, or a field.
struct Slot {
  std::string text;
  Owner owner = kTemplateOwner;
  Guard guard = Guard::kFree;
  bool special = false;
};

class Builder : public InputBuilder {
 public:
  Builder(InputSpec spec, std::shared_ptr<const Tokenizer> tokenizer)
      : spec_(std::move(spec)), tokenizer_(std::move(tokenizer)) {}

  Status prepare(const Files& files) {
    if (Status s = check(); !s) return s.error();
    if (Status s = prepare_slots(); !s) return s.error();
    if (Status s = prepare_chat(files); !s) return s.error();
    limit_ = spec_.max_tokens - spec_.add_bos - spec_.add_eos;
    empty_tokens_ = static_cast<std::int64_t>(content(Texts(fields().size())).tokens.size());
    std::vector<Token> marker;
    tokenizer_->encode(tokenizer_->clean(spec_.truncation.marker), Before::kNothing, marker);
    marker_tokens_ = static_cast<std::int64_t>(marker.size());
    if (const Result<Inputs> probe = build({"a", "a", "a"}); !probe) return probe.error();
    return Ok{};
  }

  Result<Inputs> build(const Pair& pair) const override {
    const std::size_t bytes = pair.prompt.size() + pair.response_a.size() + pair.response_b.size();
    if (bytes > kLongestText / (slots_.size() + 1))
      return Error{
          Code::kTooLarge, "texts of " + std::to_string(bytes) + " bytes are too long to be tokenized", {}};
    const std::string prompt = tokenizer_->clean(pair.prompt);
    const std::string a = tokenizer_->clean(pair.response_a);
    const std::string b = tokenizer_->clean(pair.response_b);
    Inputs out;
    if (spec_.layout == Layout::kPair) {
      if (Status s = add({prompt, a, b}, {0, 1, 2, 3}, out); !s) return s.error();
      return out;
    }
    if (Status s = add({prompt, a}, {0, 1, 1, 3}, out); !s) return s.error();
    if (Status s = add({prompt, b}, {0, 2, 2, 3}, out); !s) return s.error();
    return out;
  }

 private:
  using PartOf = std::array<std::size_t, 4>;  // Part of each Owner

  std::vector<std::string> fields() const {
    if (spec_.layout == Layout::kPair) return {"prompt", "response_a", "response_b"};
    return {"prompt", "response"};
  }

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

  Status prepare_slots() {
    const std::vector<std::string> names = fields();
    for (const Segment& segment : spec_.segments) {
      if (segment.field.empty()) {
        slots_.push_back({segment.text, kTemplateOwner, Guard::kFree, segment.special});
        continue;
      }
      const auto at = std::find(names.begin(), names.end(), segment.field);
      if (at == names.end())
        return invalid("input.template names the field '" + segment.field + "', which layout " +
                           word_of(spec_.layout) + " does not have",
                       "input.template");
      slots_.push_back({"", static_cast<Owner>(at - names.begin()), Guard::kFree, false});
    }
    return Ok{};
  }

  Status prepare_chat(const Files& files) {
    if (!spec_.chat) return Ok{};
    Result<ChatWrapper> wrapper = chat_wrapper(*spec_.chat, *tokenizer_, files);
    if (!wrapper) return wrapper.error();
    trim_ = wrapper->trim;
    const auto guarded = [](std::string text) {
      return Slot{std::move(text), kTemplateOwner, Guard::kNeverCut, true};
    };
    slots_.insert(slots_.begin(), guarded(std::move(wrapper->before)));
    slots_.push_back(guarded(std::move(wrapper->after)));
    slots_.push_back(guarded(spec_.chat->suffix));
    return Ok{};
  }

  // What `content | trim` in a chat template does to the whole body.
  void trim(std::span<PartText> body) const {
    if (trim_ == Trim::kBoth)
      for (PartText& part : body) {
        part.text = unicode::strip_left(part.text);
        if (!part.text.empty()) break;
      }
    if (trim_ != Trim::kNone)
      for (std::size_t i = body.size(); i-- > 0;) {
        body[i].text = unicode::strip_right(body[i].text);
        if (!body[i].text.empty()) break;
      }
  }

  // The sequence without the BOS and EOS that add_bos and add_eos require.
  Composed content(const Texts& texts) const {
    std::vector<PartText> parts;
    for (const Slot& slot : slots_)
      parts.push_back({slot.owner == kTemplateOwner ? std::string_view(slot.text) : texts[slot.owner],
                       slot.owner, slot.guard, slot.special});
    if (spec_.chat) trim(std::span(parts).subspan(1, parts.size() - 3));
    Composed out = compose(parts, *tokenizer_, spec_.joining);
    auto& tokens = out.tokens;
    if (spec_.add_bos && !tokens.empty() && tokens.front().id == *tokenizer_->bos().id)
      tokens.erase(tokens.begin());
    if (spec_.add_eos && !tokens.empty() && tokens.back().id == *tokenizer_->eos().id) tokens.pop_back();
    return out;
  }

  std::int64_t excess(const Composed& sequence) const {
    return static_cast<std::int64_t>(sequence.tokens.size()) - limit_;
  }

  Result<Composed> fit(const Texts& texts, LostByOwner& lost) const {
    Composed out = content(texts);
    const std::int64_t need = excess(out);
    if (need <= 0) return out;
    const Cut mode = spec_.truncation.mode;
    if (mode == Cut::kRatio || mode == Cut::kProportional) return cut_middles(texts, lost);
    const End end = mode == Cut::kRight ? End::kBack : End::kFront;
    if (Status s = cut_end(out, static_cast<std::size_t>(need), end, lost); !s) return s.error();
    return out;
  }

  // One cut is enough, unless seams make more tokens when the cut texts are joined again.
  Result<Composed> cut_middles(const Texts& texts, LostByOwner& lost) const {
    std::int64_t budget = limit_ - empty_tokens_;
    if (budget < 0)
      return invalid("input.max_tokens is " + std::to_string(spec_.max_tokens) +
                         ", but the template without any text already takes " +
                         std::to_string(spec_.max_tokens - budget),
                     "input.max_tokens");
    const Truncation& how = spec_.truncation;
    const double head = how.head.value_or(how.mode == Cut::kRatio ? 0.75 : 0.5);
    std::vector<MiddleCut> cuts;
    std::vector<std::int64_t> lengths;
    for (const std::string_view text : texts)
      lengths.push_back(cuts.emplace_back(text, *tokenizer_).tokens());
    std::vector<std::string> kept(texts.size());
    while (true) {
      const std::vector<std::int64_t> shares = field_shares(how, lengths, budget, marker_tokens_);
      for (std::size_t f = 0; f < texts.size(); ++f)
        kept[f] = cuts[f].cut(shares[f], head, how.marker, lost[f]);
      Composed out = content(Texts(kept.begin(), kept.end()));
      if (excess(out) <= 0) return out;
      budget -= excess(out);
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
  std::vector<Slot> slots_;  // with chat: the wrapper's before, the body, its after, the suffix
  Trim trim_ = Trim::kNone;
  std::int64_t limit_ = 0;         // max_tokens minus BOS and EOS
  std::int64_t empty_tokens_ = 0;  // of the sequence when all fields are empty
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
