#include "model/text/json_normalizer.h"

#include <algorithm>

#include "base/unicode.h"
#include "base/utf8.h"
#include "model/text/model_json.h"

namespace preferd::text {
namespace {

constexpr std::size_t kWholeBelow = 6;  // bytes: shorter clusters are first looked up whole

Error refuse(const std::string& what) { return invalid("tokenizer.json: normalizer " + what); }

// Nothing if it is not base64.
std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0, count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xFF);
  }
  return out;
}

// A text under construction, each of whose bytes has the byte of the source that it stands for.
class Writer {
 public:
  explicit Writer(const NormalizedText& from) : from_(from) { to_.text.reserve(from.text.size()); }

  void keep(std::size_t begin, std::size_t end) {
    to_.text.append(from_.text, begin, end - begin);
    to_.origin.insert(to_.origin.end(), from_.origin.begin() + static_cast<std::ptrdiff_t>(begin),
                      from_.origin.begin() + static_cast<std::ptrdiff_t>(end));
  }

  void put(std::string_view text, std::uint32_t origin) {
    to_.text.append(text);
    to_.origin.insert(to_.origin.end(), text.size(), origin);
  }

  // Replaces the characters [begin, end) by those of `text`, one for one; surplus characters stand for the
  // last one.
  void map(std::string_view text, std::size_t begin, std::size_t end) {
    std::size_t last = begin;
    for (std::size_t at = 0, old = begin; at < text.size();) {
      const std::size_t start = at;
      utf8::next(text, at);
      if (old < end) {
        last = old;
        utf8::next(from_.text, old);
      }
      put(text.substr(start, at - start), from_.origin[last]);
    }
  }

  NormalizedText take() { return std::move(to_); }

 private:
  const NormalizedText& from_;
  NormalizedText to_;
};

NormalizedText apply(const CharacterMap& map, const NormalizedText& from) {
  Writer out(from);
  unicode::each_grapheme(from.text, [&](std::size_t begin, std::size_t end) {
    const std::string_view cluster = std::string_view(from.text).substr(begin, end - begin);
    if (cluster.size() < kWholeBelow)
      if (const auto found = map.shortest(cluster)) return out.map(found->replacement, begin, end);
    for (std::size_t at = 0; at < cluster.size();) {
      const std::size_t start = at;
      utf8::next(cluster, at);
      const auto found = map.shortest(cluster.substr(start, at - start));
      found ? out.map(found->replacement, begin + start, begin + at) : out.keep(begin + start, begin + at);
    }
  });
  return out.take();
}

// Bounds of the text without white space at the chosen ends.
std::pair<std::size_t, std::size_t> bare(std::string_view text, bool left, bool right) {
  std::size_t begin = text.size(), end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t start = at;
    if (unicode::is_white_space(utf8::next(text, at))) continue;
    begin = std::min(begin, start);
    end = at;
  }
  if (end == 0) return {0, 0};
  return {left ? begin : 0, right ? end : text.size()};
}

// Replaces runs of characters that `in_run` accepts, if they are two or more, or one that `alone` accepts.
// The content stands for the run's last character.
template <class InRun, class Alone>
NormalizedText replace(const NormalizedText& from, const std::string& content, InRun in_run, Alone alone) {
  Writer out(from);
  for (std::size_t at = 0; at < from.text.size();) {
    const std::size_t start = at;
    const char32_t first = utf8::next(from.text, at);
    if (!in_run(first)) {
      out.keep(start, at);
      continue;
    }
    std::size_t last = start, end = at, count = 1;
    for (std::size_t ahead = at; ahead < from.text.size(); ++count) {
      const std::size_t next = ahead;
      if (!in_run(utf8::next(from.text, ahead))) break;
      last = next;
      end = ahead;
    }
    at = end;
    if (count > 1 || alone(first))
      out.put(content, from.origin[last]);
    else
      out.keep(start, end);
  }
  return out.take();
}

}  // namespace

Result<JsonNormalizer::Step> JsonNormalizer::read(const Json& component) {
  const std::string type = type_of(component);
  if (type == "Strip")
    return Step(Strip{member(component, "strip_left") != Json(false),
                      member(component, "strip_right") != Json(false)});
  if (type == "Precompiled") {
    const Json& map = member(component, "precompiled_charsmap");
    const auto bytes = map.is_string() ? from_base64(map.get<std::string>()) : std::nullopt;
    if (!bytes) return refuse("Precompiled: precompiled_charsmap is not base64");
    Result<CharacterMap> rules = CharacterMap::create(*bytes);
    if (!rules) return refuse("Precompiled: " + rules.error().what);
    return Step(std::move(*rules));
  }
  if (type == "Replace") {
    const Json& pattern = member(member(component, "pattern"), "Regex");
    const Json& content = member(component, "content");
    const bool spaces = pattern == Json(" {2,}"), white = pattern == Json("\\s{2,}|[\\n\\r\\t]");
    if (content.is_string() && (spaces || white))
      return Step(Replace{spaces ? Runs::kSpaces : Runs::kWhite, content.get<std::string>()});
    return refuse("Replace has a pattern that is not supported (Regex ' {2,}' or '\\s{2,}|[\\n\\r\\t]')");
  }
  return refuse(type + " is not supported for Unigram (Strip, Precompiled, Replace, NFC)");
}

Result<JsonNormalizer> JsonNormalizer::create(const Json& normalizer) {
  JsonNormalizer out;
  if (normalizer.is_null()) return out;
  const bool sequence = type_of(normalizer) == "Sequence" && member(normalizer, "normalizers").is_array();
  for (const Json& component : sequence ? member(normalizer, "normalizers") : Json::array({normalizer})) {
    if (type_of(component) == "NFC") {
      const auto maps = [](const Step& s) { return std::holds_alternative<CharacterMap>(s); };
      if (std::any_of(out.steps_.begin(), out.steps_.end(), maps))
        return refuse("NFC after Precompiled is not supported");
      out.cleans_ = true;
      continue;
    }
    Result<Step> step = read(component);
    if (!step) return step.error();
    out.steps_.push_back(std::move(*step));
  }
  return out;
}

NormalizedText JsonNormalizer::normalize(std::string_view text) const {
  NormalizedText out{std::string(text), {}};
  for (std::uint32_t i = 0, start = 0; i < text.size(); ++i) {
    if (!utf8::is_continuation(text[i])) start = i;
    out.origin.push_back(start);
  }
  const auto space = [](char32_t c) { return c == ' '; };
  const auto never = [](char32_t) { return false; };
  const auto line_end = [](char32_t c) { return c == '\n' || c == '\r' || c == '\t'; };
  for (const Step& step : steps_) {
    if (const auto* strip = std::get_if<Strip>(&step)) {
      const auto [begin, end] = bare(out.text, strip->left, strip->right);
      Writer writer(out);
      writer.keep(begin, end);
      out = writer.take();
    } else if (const auto* map = std::get_if<CharacterMap>(&step)) {
      out = apply(*map, out);
    } else if (const auto& runs = std::get<Replace>(step); runs.runs == Runs::kSpaces) {
      out = replace(out, runs.content, space, never);
    } else {
      out = replace(out, runs.content, unicode::is_white_space, line_end);
    }
  }
  return out;
}

}  // namespace preferd::text
