// The package's template, in the package's own chat wrapper if it asks for one.
#include <algorithm>
#include <regex>

#include "base/unicode.h"
#include "model/text/chat.h"
#include "model/text/frame.h"

namespace preferd::text {
namespace {

// Part of the prepared template: fixed text, or a field.
struct Slot {
  std::string text;
  Owner owner = kTemplateOwner;
  bool special = false;
};

class SegmentsFrame : public Frame {
 public:
  SegmentsFrame(const InputSpec& spec, const Tokenizer& tokenizer) : spec_(spec), tokenizer_(tokenizer) {}

  Status prepare(const Files& files) {
    if (Status s = prepare_slots(); !s) return s;
    return prepare_chat(files);
  }

  Result<Composed> compose(std::span<const Field> fields, std::span<const std::string>) const override {
    std::vector<PartText> parts;
    for (const Slot& slot : slots_)
      parts.push_back(
          {slot.owner == kTemplateOwner ? std::string_view(slot.text) : fields[slot.owner].front(),
           slot.owner, Guard::kFree, slot.special});
    std::vector<std::string> made;
    if (wrapper_) {
      auto wrapped = wrapper_->wrap(std::move(parts), made);
      if (!wrapped) return wrapped.error();
      parts = std::move(*wrapped);
      parts.push_back({spec_.chat->suffix, kTemplateOwner, Guard::kNeverCut, true});
    }
    return text::compose(parts, tokenizer_, spec_.joining);
  }

 private:
  // Refuses what looks like a control token in a text that is parsed for them and is none of this tokenizer's:
  // it would be read as plain text.
  Status check_special(const std::string& text) const {
    static const std::regex look_alike(R"(<\|[^|<>\s]+\|>|^\s*<[^<>\s]+>\s*$|^\s*\[/?[A-Z_]+\]\s*$)");
    std::string rest = text;
    for (const ControlToken& token : tokenizer_.controls())
      for (std::size_t at; !token.text.empty() && (at = rest.find(token.text)) != std::string::npos;)
        rest.replace(at, token.text.size(), "\n");
    std::smatch found;
    if (!std::regex_search(rest, found, look_alike)) return Ok{};
    const std::string name(unicode::strip(found.str()));
    if (tokenizer_.single(name)) return Ok{};  // an added token that is not special
    return invalid("input.template: the special text '" + name +
                       "' is no token of this tokenizer; expected one of its control tokens",
                   "input.template");
  }

  Status prepare_slots() {
    const std::vector<std::string> names = fields_of(spec_.layout);
    for (const Segment& segment : spec_.segments) {
      if (segment.field.empty()) {
        if (segment.special)
          if (Status s = check_special(segment.text); !s) return s;
        slots_.push_back({segment.text, kTemplateOwner, segment.special});
        continue;
      }
      const auto at = std::find(names.begin(), names.end(), segment.field);
      if (at == names.end())
        return invalid("input.template names the field '" + segment.field + "', which layout " +
                           word_of(spec_.layout) + " does not have",
                       "input.template");
      slots_.push_back({"", static_cast<Owner>(at - names.begin()), false});
    }
    return Ok{};
  }

  Status prepare_chat(const Files& files) {
    if (!spec_.chat) return Ok{};
    auto wrapper = chat_wrapper(*spec_.chat, tokenizer_, files);
    if (!wrapper) return wrapper.error();
    wrapper_ = std::move(*wrapper);
    return Ok{};
  }

  const InputSpec& spec_;
  const Tokenizer& tokenizer_;
  std::vector<Slot> slots_;
  std::unique_ptr<const ChatWrapper> wrapper_;  // null: none is asked for
};

}  // namespace

std::vector<std::string> fields_of(Layout layout) {
  if (layout == Layout::kPair) return {"prompt", "response_a", "response_b"};
  return {"prompt", "response"};
}

Result<std::unique_ptr<const Frame>> make_segments_frame(const InputSpec& spec, const Tokenizer& tokenizer,
                                                         const Files& model_directory) {
  auto frame = std::make_unique<SegmentsFrame>(spec, tokenizer);
  if (Status s = frame->prepare(model_directory); !s) return s.error();
  return std::unique_ptr<const Frame>(std::move(frame));
}

}  // namespace preferd::text
