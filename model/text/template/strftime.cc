#include "model/text/template/strftime.h"

#include <locale.h>
#include <time.h>

#include <chrono>

namespace preferd::text::jinja {
namespace {

std::tm calendar(const Date& date) {
  const std::chrono::year_month_day day(std::chrono::year(date.year),
                                        std::chrono::month(static_cast<unsigned>(date.month)),
                                        std::chrono::day(static_cast<unsigned>(date.day)));
  const std::chrono::sys_days days(day);
  std::tm out{};
  out.tm_year = date.year - 1900;
  out.tm_mon = date.month - 1;
  out.tm_mday = date.day;
  out.tm_wday = static_cast<int>(std::chrono::weekday(days).c_encoding());
  out.tm_yday = static_cast<int>((days - std::chrono::sys_days(day.year() / 1 / 1)).count());
  return out;
}

// One directive, '%' included.
std::string directive(const std::string& format, const std::tm& day) {
  const char type = format.back();
  if (type == 'f') return "000000";
  if (type == 'z' || type == 'Z' || type == '%') return type == '%' ? "%" : "";
  if (type == 's' ||
      std::string_view("aAbBcCdDeFgGhHIjklmMnprRStTuUVwWxXyY").find(type) == std::string_view::npos)
    refuse("strftime_now() does not support '" + format + "'");
  static const locale_t kC = newlocale(LC_ALL_MASK, "C", nullptr);
  char buffer[128];
  return {buffer, strftime_l(buffer, sizeof buffer, format.c_str(), &day, kC)};
}

}  // namespace

Value format_date(Rendering& r, const Text& format) {
  const std::tm day = calendar(r.today());
  TextBuilder out(r);
  for (std::size_t at = 0; at < format.size(); ++at) {
    if (format[at] != U'%') {
      out.add(format, at, at + 1);
      continue;
    }
    const Source source = format.source_at(at);
    std::string one = "%";
    if (++at < format.size() && std::u32string_view(U"-_0^#").find(format[at]) != kNotFound)
      one += static_cast<char>(format[at++]);
    if (at >= format.size() || format[at] >= 0x80) refuse("strftime_now() finds a '%' without a directive");
    one += static_cast<char>(format[at]);
    out.add(directive(one, day), source);
  }
  return out.done();
}

}  // namespace preferd::text::jinja
