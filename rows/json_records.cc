#include <optional>
#include <string_view>
#include <utility>

#include "base/utf8.h"
#include "rows/json_array.h"
#include "rows/record_sources.h"

namespace preferd::rows {
namespace {

constexpr std::string_view kSpace = " \t\r\v\f";

// The number behind a key of the outermost object, as it was written. `text` is the JSON of an object with that key.
std::string number_text(std::string_view text, const std::string& key) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '{' || text[i] == '[';
    depth -= text[i] == '}' || text[i] == ']';
    if (text[i] != '"') continue;
    const std::size_t from = i++;
    while (text[i] != '"') i += text[i] == '\\' ? 2 : 1;
    const std::size_t colon = text.find_first_not_of(" \t\r\n", i + 1);
    if (depth != 1 || colon == text.npos || text[colon] != ':') continue;
    const auto name = parse_json(text.substr(from, i + 1 - from));
    if (!name || *name != key) continue;
    const std::size_t begin = text.find_first_not_of(" \t\r\n", colon + 1);
    return std::string(text.substr(begin, text.find_first_of(",} \t\r\n", begin) - begin));
  }
  return {};
}

std::string id_of(const Json& row, const std::string& text, const std::string& number) {
  const char* key = id_key(row);
  if (key == nullptr) return number;
  return row[key].is_number() ? number_text(text, key) : row[key].dump();
}

// `place`: "line 7".
RecordRead read_row(std::string text, const std::string& place, std::size_t number,
                    InvalidText invalid_text) {
  const std::string count = std::to_string(number);
  if (invalid_text == InvalidText::kReplace && !utf8::valid(text)) text = utf8::repaired(text);
  auto [json, mended] = parse_mended(text);
  if (!json) return {0, count, invalid(place + ": " + json.error().what)};
  if (!json->is_object())
    return {0, count,
            mended ? invalid(place + " holds a lone surrogate") : invalid(place + " is not a JSON object")};
  if (mended) text = without_lone_surrogates(std::move(text));
  std::string id = id_of(*json, text, count);
  if (mended && invalid_text == InvalidText::kError)
    return {0, std::move(id), invalid(place + " holds a lone surrogate, half of a UTF-16 pair")};
  return {0, std::move(id), std::move(json)};
}

class JsonRecords : public RecordReader {
 public:
  JsonRecords(LineReader lines, std::string path, InvalidText invalid_text)
      : lines_(std::move(lines)), path_(std::move(path)), invalid_text_(invalid_text) {}

  Result<std::optional<RecordRead>> next() override {
    if (!begun_)
      if (const Status status = begin(); !status) return status.error();
    return array_ ? next_element() : next_line();
  }

  std::optional<double> progress() const override { return share(lines_); }

 private:
  // Passes over lines without anything, and sees whether an array follows.
  Status begin() {
    begun_ = true;
    while (true) {
      const auto held = lines_.held();
      if (!held) return held.error();
      if (held->empty()) return Ok{};
      const std::size_t at = held->find_first_not_of(" \t\r\v\f\n");
      if (at != held->npos && (*held)[at] == '[') array_.emplace(lines_);
      if (at != held->npos) return Ok{};
      lines_.take(held->size());
    }
  }

  Result<std::optional<RecordRead>> next_element() {
    auto text = array_->next();
    if (!text) return text.error();
    if (!*text) return std::optional<RecordRead>();
    const std::size_t number = array_->number();
    RecordRead row = read_row(std::move(**text), "element " + std::to_string(number), number, invalid_text_);
    row.line = array_->line();
    row.element = number;
    return std::optional<RecordRead>(std::move(row));
  }

  Result<std::optional<RecordRead>> next_line() {
    while (true) {
      auto line = lines_.next();
      if (!line) return line.error();
      if (!*line) return std::optional<RecordRead>();
      const std::size_t number = lines_.line_number();
      if (number == 1 && (*line)->starts_with("PAR1")) return parquet(path_);
      if ((*line)->find_first_not_of(kSpace) == std::string::npos) continue;
      RecordRead row = read_row(std::move(**line), "line " + std::to_string(number), number, invalid_text_);
      row.line = number;
      return std::optional<RecordRead>(std::move(row));
    }
  }

  LineReader lines_;
  std::string path_;
  InvalidText invalid_text_;
  std::optional<JsonArray> array_;
  bool begun_ = false;
};

}  // namespace

Error parquet(const std::string& path) {
  const std::string stem = path.ends_with(".parquet") ? path.substr(0, path.size() - 8) : path;
  return invalid(path +
                 ": is Parquet, expected JSON Lines or CSV; convert it with: python3 -c \"import pandas; "
                 "pandas.read_parquet('" +
                 path + "').to_json('" + stem + ".jsonl', orient='records', lines=True)\"");
}

std::unique_ptr<RecordReader> json_records(LineReader lines, std::string path, InvalidText invalid_text) {
  return std::make_unique<JsonRecords>(std::move(lines), std::move(path), invalid_text);
}

}  // namespace preferd::rows
