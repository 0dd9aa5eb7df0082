// Text that a browser shows as it is meant. Every string from data or configuration goes through escaped() on
// its way into a page; all other functions here return text that is safe as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "training/evaluation/bootstrap.h"

namespace preferd::training {

// For element content and quoted attributes alike. Ill-formed UTF-8 and control characters (except tab and
// line feed) become U+FFFD.
std::string escaped(std::string_view text);

// At most `most` code points, "…" in place of the rest; not escaped.
std::string shortened(std::string_view text, std::size_t most);

// Undefined values are shown as "–".
std::string count_text(std::int64_t n);           // 12 345, thin spaces
std::string number_text(double x, int decimals);  // 0.634
std::string percent_text(double share);           // 63.4 %
std::string interval_text(const Estimate& e);     // for a share: 62.1–64.9 %
std::string range_text(const Estimate& e, int decimals);

// A coordinate: two decimals at most.
std::string coordinate(double x);

using Facts = std::vector<std::pair<std::string, std::string>>;  // name, value; raw text

// <section>: heading, a sentence under it that says how to read it (may be empty), content.
std::string section(std::string_view heading, std::string_view note, std::string_view content);
// A card within a section: caption and content.
std::string card(std::string_view caption, std::string_view content);
// Cards side by side if the window has room: in a wide window kNarrow gives three, kWide two.
enum class CardWidth { kNarrow, kWide };
std::string cards(CardWidth width, const std::vector<std::string>& each);
// A headline figure: its name, its value, and a line below.
std::string tile(std::string_view name, std::string_view value, std::string_view below);
std::string facts_list(const Facts& facts);
std::string details(std::string_view summary, std::string_view content);

// The whole document: no script, nothing fetched, colours by prefers-color-scheme.
std::string page(std::string_view title, std::string_view subtitle, std::string_view body);

}  // namespace preferd::training
