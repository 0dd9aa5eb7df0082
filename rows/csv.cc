#include "rows/csv.h"

namespace preferd::rows {
namespace {

// Takes a line after another; between two of them a quote is open.
class Record {
 public:
  explicit Record(char separator) : separator_(separator) {}

  void add(const std::string& line) {
    if (is_open_) fields_.back() += '\n';
    for (std::size_t i = 0; i < line.size(); ++i) i += add(line, i);
  }

  bool is_open() const { return is_open_; }
  std::size_t last_size() const { return fields_.back().size(); }
  std::vector<std::string> take() { return std::move(fields_); }

 private:
  // Takes the character at `i`; how many more it has taken.
  std::size_t add(const std::string& line, std::size_t i) {
    std::string& field = fields_.back();
    const char c = line[i];
    const bool is_last = i + 1 == line.size();
    if (is_open_ && c == '"') {
      const bool is_text = !is_last && line[i + 1] == '"';
      if (is_text) field += '"';
      is_open_ = is_text;
      return is_text ? 1 : 0;
    }
    if (!is_open_ && c == '"' && field.empty())
      is_open_ = true;
    else if (!is_open_ && c == separator_)
      fields_.emplace_back();
    else if (is_open_ || c != '\r' || !is_last)
      field += c;
    return 0;
  }

  std::vector<std::string> fields_ = std::vector<std::string>(1);
  char separator_;
  bool is_open_ = false;
};

}  // namespace

Result<std::optional<std::vector<std::string>>> next_record(LineReader& lines, char separator) {
  using Fields = std::optional<std::vector<std::string>>;
  auto line = lines.next();
  if (!line) return line.error();
  if (!*line) return Fields();
  const std::size_t first_line = lines.line_number();
  Record record(separator);
  record.add(**line);
  while (record.is_open()) {
    if (record.last_size() >= kMaxLineBytes)
      return invalid(lines.name() + ": a field is longer than " + std::to_string(kMaxLineMiB) + " MiB");
    line = lines.next();
    if (!line) return line.error();
    if (!*line)
      return invalid(lines.name() + ": the quote opened in line " + std::to_string(first_line) +
                     " is never closed");
    record.add(**line);
  }
  return Fields(record.take());
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace preferd::rows
