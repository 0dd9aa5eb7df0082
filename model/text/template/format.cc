#include "model/text/template/format.h"

#include "model/text/template/attributes.h"
#include "model/text/template/number_text.h"
#include "model/text/template/repr.h"

namespace preferd::text::jinja {
namespace {

class Formatter {
 public:
  Formatter(Rendering& r, const Arguments& arguments) : r_(r), arguments_(arguments) {}

  // What a format gives; `levels` of formats within formats may follow.
  Text run(const Text& format, int levels) {
    if (levels < 0) refuse("a format has fields within the fields of its fields");
    TextBuilder out(r_);
    for (std::size_t at = 0; at < format.size();) {
      const char32_t c = format[at];
      if (c != U'{' && c != U'}') {
        out.add(format, at, at + 1);
        ++at;
      } else if (at + 1 < format.size() && format[at + 1] == c) {
        out.add(format, at, at + 1);
        at += 2;
      } else if (c == U'}') {
        refuse("a format has a '}' that closes nothing");
      } else {
        at = field(format, at + 1, out, levels);
      }
    }
    return out.take();
  }

 private:
  // The field that begins at `at`; returns where it ends.
  std::size_t field(const Text& format, std::size_t at, TextBuilder& out, int levels) {
    std::size_t end = at, name_end = kNotFound;
    bool brackets = false;
    for (int depth = 1; depth > 0; ++end) {
      if (end >= format.size()) refuse("a field of a format has no end");
      const char32_t c = format[end];
      if (name_end == kNotFound && c == U'[') brackets = true;
      if (name_end == kNotFound && c == U']') brackets = false;
      if (brackets) continue;
      if (name_end == kNotFound && c == U'{') refuse("a name in a format holds a '{'");
      depth += c == U'{' ? 1 : c == U'}' ? -1 : 0;
      if (name_end == kNotFound && (c == U'!' || c == U':' || depth == 0)) name_end = end;
    }
    Value value = lookup(format.chars().substr(at, name_end - at));
    std::size_t spec = name_end;
    if (format[spec] == U'!') {
      value = converted(value, format[spec + 1]);
      spec += 2;
      if (spec >= end || (format[spec] != U':' && spec + 1 != end))
        refuse("a conversion of a format is not one letter");
    }
    if (format[spec] == U':') ++spec;
    format_value(r_, out, value, run(format.sub(spec, end - 1), levels - 1));
    return end;
  }

  Value converted(const Value& value, char32_t how) {
    if (how == U's') return str(r_, value);
    if (how != U'r') refuse("a conversion of a format is neither !r nor !s");
    return repr(r_, value);
  }

  Value first(std::u32string_view name) {
    std::size_t index = 0;
    if (name.empty()) {
      if (next_ < 0) refuse("a format numbers some of its fields and others not");
      index = static_cast<std::size_t>(next_++);
    } else if (name.find_first_not_of(U"0123456789") == kNotFound) {
      if (next_ > 0) refuse("a format numbers some of its fields and others not");
      next_ = -1;
      index = static_cast<std::size_t>(parse_int(name, 10).value_or(0));
    } else {
      const std::string key = to_utf8(name);
      for (const auto& [other, value] : arguments_.keywords)
        if (other == key) return value;
      refuse("a format names an argument that is not given");
    }
    if (index >= arguments_.positional.size()) refuse("a format has more fields than arguments");
    return arguments_.positional[index];
  }

  // name, then any number of .attribute and [key]
  Value lookup(std::u32string_view name) {
    std::size_t at = std::min(name.find_first_of(U".["), name.size());
    if (at == 0 && !name.empty()) refuse("a field of a format names no argument");
    Value value = first(name.substr(0, at));
    while (at < name.size()) {
      const bool key = name[at] == U'[';
      if (!key && name[at] != U'.') refuse("a name in a format goes on behind a ']'");
      const std::size_t begin = at + 1;
      const std::size_t end =
          std::min(key ? name.find(U']', begin) : name.find_first_of(U".[", begin), name.size());
      const std::u32string_view part = name.substr(begin, end - begin);
      if (part.empty() || (key && end == name.size())) refuse("a name in a format has an empty part");
      at = key ? end + 1 : end;
      const bool number = key && part.find_first_not_of(U"0123456789") == kNotFound;
      if (!key)
        value = attribute(r_, value, to_utf8(part));
      else
        value = item(r_, value, number ? Value::integer(parse_int(part, 10).value_or(0)) : Value(Text(part)));
    }
    return value;
  }

  Rendering& r_;
  const Arguments& arguments_;
  int next_ = 0;  // the number of the next field without one; -1: fields have numbers
};

}  // namespace

Value format(Rendering& r, const Text& format, const Arguments& arguments) {
  return r.text(Formatter(r, arguments).run(format, 2));
}

}  // namespace preferd::text::jinja
