#include "model/text/pre_tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "model/text/code_points.h"
#include "model/text/model_json.h"

namespace preferd::text {
namespace {

constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

Error refuse(const std::string& what) { return invalid("tokenizer.json: pre_tokenizer " + what); }

std::size_t digit_end(std::string_view text, std::size_t begin) {
  const auto byte = static_cast<unsigned char>(text[begin]);
  if (byte < 0x80) return byte >= '0' && byte <= '9' ? begin + 1 : begin;
  std::size_t at = begin;
  return is_split_digit(utf8::next(text, at)) ? at : begin;
}

// Calls take(begin, end, matches) for the matches and for the text between them, in order.
template <class MatchEnd, class Take>
void each_stretch(std::string_view text, const MatchEnd& match_end, const Take& take) {
  std::size_t gap = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = match_end(text, at);
    if (end == at) {
      do ++at;
      while (at < text.size() && utf8::is_continuation(text[at]));
      continue;
    }
    if (at > gap) take(gap, at, false);
    take(at, end, true);
    gap = at = end;
  }
  if (gap < text.size()) take(gap, text.size(), false);
}

}  // namespace

Result<PreTokenizer::Step> PreTokenizer::read_split(const Json& component) {
  const Json& pattern = member(component, "pattern");
  const Json &regex = member(pattern, "Regex"), &text = member(pattern, "String");
  if (!regex.is_string() && !text.is_string()) return refuse("Split has no pattern.Regex or pattern.String");
  const Json& source = regex.is_string() ? regex : text;
  Result<Pattern> compiled = regex.is_string() ? Pattern::of_regex(source.get_ref<const std::string&>())
                                               : Pattern::of_text(source.get_ref<const std::string&>());
  if (!compiled)
    return refuse("Split has a pattern that is not supported: " + compiled.error().what + ": " +
                  source.get<std::string>());
  constexpr std::pair<const char*, Behavior> kBehaviors[] = {{"Isolated", Behavior::kIsolated},
                                                             {"Removed", Behavior::kRemoved},
                                                             {"Contiguous", Behavior::kContiguous},
                                                             {"MergedWithPrevious", Behavior::kWithPrevious},
                                                             {"MergedWithNext", Behavior::kWithNext}};
  const Json& wanted = member(component, "behavior");
  for (const auto& [name, behavior] : kBehaviors)
    if (wanted == Json(name))
      return Step{std::move(*compiled), behavior, member(component, "invert") == Json(true)};
  return refuse("Split has the behavior " + wanted.dump() + ", which is not supported");
}

Status PreTokenizer::add(const Json& component) {
  const std::string type = type_of(component);
  if (type == "Split") {
    Result<Step> step = read_split(component);
    if (!step) return step.error();
    steps_.push_back(std::move(*step));
    return Ok{};
  }
  if (type == "Digits") {
    const bool alone = member(component, "individual_digits") == Json(true);
    steps_.push_back({std::nullopt, alone ? Behavior::kIsolated : Behavior::kContiguous, false});
    return Ok{};
  }
  return refuse(type + " is not supported for byte-level BPE (Split or Digits, then ByteLevel)");
}

Result<PreTokenizer> PreTokenizer::create(const Json& component) {
  const Json& list = member(component, "pretokenizers");
  const bool sequence = type_of(component) == "Sequence" && list.is_array() && !list.empty();
  const Json parts = sequence ? list : Json::array({component});
  PreTokenizer out;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i)
    if (Status s = out.add(parts[i]); !s) return s.error();
  const Json& last = parts.back();
  if (type_of(last) != "ByteLevel")
    return refuse(type_of(last) + " is not supported, expected ByteLevel at the end");
  if (member(last, "add_prefix_space") == Json(true))
    return refuse("ByteLevel has add_prefix_space, which is not supported");
  if (member(last, "use_regex") != Json(false))
    out.steps_.push_back({*Pattern::of_regex(kGpt2), Behavior::kIsolated, false});
  return out;
}

void PreTokenizer::split_merged(std::vector<Stretch>& found, Behavior behavior) {
  if (behavior == Behavior::kWithNext) std::ranges::reverse(found);
  std::vector<Stretch> out;
  bool before = false;
  for (const Stretch& s : found) {
    const bool joins = behavior == Behavior::kContiguous ? s.matches == before : s.matches && !before;
    before = s.matches;
    if (!joins || out.empty())
      out.push_back(s);
    else
      out.back() = {std::min(out.back().begin, s.begin), std::max(out.back().end, s.end), s.matches};
  }
  if (behavior == Behavior::kWithNext) std::ranges::reverse(out);
  found = std::move(out);
}

void PreTokenizer::split(std::size_t index, std::string_view text, std::size_t begin, std::size_t end,
                         const Take& take) const {
  if (index == steps_.size()) return take(begin, end);
  const Step& step = steps_[index];
  const std::string_view part = text.substr(begin, end - begin);
  const auto each = [&](const auto& visit) {
    if (step.pattern)
      each_stretch(
          part, [&](std::string_view t, std::size_t at) { return step.pattern->match_end(t, at); }, visit);
    else
      each_stretch(part, digit_end, visit);
  };
  const auto go_on = [&](std::size_t b, std::size_t e) {
    split(index + 1, text, begin + b, begin + e, take);
  };
  if (step.behavior == Behavior::kIsolated)
    return each([&](std::size_t b, std::size_t e, bool) { go_on(b, e); });
  if (step.behavior == Behavior::kRemoved)
    return each([&](std::size_t b, std::size_t e, bool matches) {
      if (matches == step.inverted) go_on(b, e);
    });
  std::vector<Stretch> found;
  each([&](std::size_t b, std::size_t e, bool matches) {
    found.push_back({b, e, matches != step.inverted});
  });
  split_merged(found, step.behavior);
  for (const Stretch& s : found) go_on(s.begin, s.end);
}

void PreTokenizer::each_word(std::string_view text, const Take& take) const {
  if (!text.empty()) split(0, text, 0, text.size(), take);
}

}  // namespace preferd::text
