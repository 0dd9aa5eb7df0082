#include "model/text/template/html.h"

namespace preferd::text::jinja {
namespace {

std::string_view entity(char32_t c) {
  switch (c) {
    case U'&': return "&amp;";
    case U'<': return "&lt;";
    case U'>': return "&gt;";
    case U'\'': return "&#39;";
    case U'"': return "&#34;";
    default: return {};
  }
}

}  // namespace

Text escaped(Rendering& r, const Text& text) {
  if (text.markup) return text;
  TextBuilder out(r);
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view escape = entity(text[i]);
    if (escape.empty()) continue;
    out.add(text, copied, i);
    out.add(escape, text.source_at(i));
    copied = i + 1;
  }
  out.add(text, copied, text.size());
  Text made = out.take();
  made.markup = true;
  return made;
}

}  // namespace preferd::text::jinja
