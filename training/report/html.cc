#include "training/report/html.h"

#include <cmath>
#include <cstdio>

#include "base/utf8.h"
#include "training/report/style.h"

namespace preferd::training {
namespace {

constexpr const char* kNothing = "–";

std::string formatted(double x, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, x);
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  const std::string good = utf8::repaired(text);
  for (const char c : good) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default:
        if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7F)
          utf8::append(out, 0xFFFD);
        else
          out += c;
    }
  }
  return out;
}

std::string shortened(std::string_view text, std::size_t most) {
  const std::string good = utf8::repaired(text);
  std::size_t at = 0;
  for (std::size_t n = 0; n < most && at < good.size(); ++n) utf8::next(good, at);
  return at == good.size() ? good : good.substr(0, at) + "…";
}

std::string count_text(std::int64_t n) {
  std::string digits = std::to_string(n < 0 ? -n : n), out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += "\u2009";
    out += digits[i];
  }
  return n < 0 ? "−" + out : out;
}

std::string number_text(double x, int decimals) {
  if (!std::isfinite(x)) return kNothing;
  const std::string text = formatted(std::abs(x), decimals);
  return x < 0 && text.find_first_of("123456789") != std::string::npos ? "−" + text : text;
}

std::string percent_text(double share) {
  return std::isfinite(share) ? number_text(100 * share, 1) + "\u2009%" : kNothing;
}

std::string interval_text(const Estimate& e) {
  if (!std::isfinite(e.low) || !std::isfinite(e.high)) return "";
  return number_text(100 * e.low, 1) + " to " + percent_text(e.high);
}

std::string range_text(const Estimate& e, int decimals) {
  if (!std::isfinite(e.low) || !std::isfinite(e.high)) return "";
  return number_text(e.low, decimals) + " to " + number_text(e.high, decimals);
}

std::string coordinate(double x) {
  std::string text = formatted(std::isfinite(x) ? x : 0, 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string section(std::string_view heading, std::string_view note, std::string_view content) {
  std::string out = "<section><h2>" + escaped(heading) + "</h2>";
  if (!note.empty()) out += "<p class=\"note\">" + escaped(note) + "</p>";
  return out.append(content) + "</section>\n";
}

std::string card(std::string_view caption, std::string_view content) {
  std::string out = "<figure class=\"card\">";
  if (!caption.empty()) out += "<figcaption>" + escaped(caption) + "</figcaption>";
  return out.append(content) + "</figure>";
}

std::string cards(CardWidth width, const std::vector<std::string>& each) {
  std::string out = width == CardWidth::kWide ? "<div class=\"cards wide\">" : "<div class=\"cards\">";
  for (const std::string& one : each) out += one;
  return out + "</div>";
}

std::string tile(std::string_view name, std::string_view value, std::string_view below) {
  return "<div class=\"tile\"><div class=\"name\">" + escaped(name) + "</div><div class=\"value\">" +
         escaped(value) + "</div><div class=\"below\">" + escaped(below) + "</div></div>";
}

std::string facts_list(const Facts& facts) {
  if (facts.empty()) return "";
  std::string out = "<dl class=\"facts\">";
  for (const auto& [name, value] : facts)
    out += "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd></div>";
  return out + "</dl>";
}

std::string details(std::string_view summary, std::string_view content) {
  return "<details><summary>" + escaped(summary) + "</summary>" + std::string(content) + "</details>";
}

std::string page(std::string_view title, std::string_view subtitle, std::string_view body) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\"><title>";
  out += escaped(title) + "</title>\n<style>" + kStyle + "</style></head>\n<body><main>\n<header><h1>" +
         escaped(title) + "</h1>";
  if (!subtitle.empty()) out += "<p class=\"subtitle\">" + escaped(subtitle) + "</p>";
  return (out += "</header>\n").append(body) + "</main></body></html>\n";
}

}  // namespace preferd::training
