#include "rows/rows.h"

#include <map>

#include "base/json.h"
#include "base/utf8.h"
#include "rows/lines.h"
#include "rows/turns.h"

namespace preferd {
namespace {

std::optional<double> share(const LineReader& lines) {
  if (lines.bytes_total() == 0) return std::nullopt;
  return static_cast<double>(lines.bytes_read()) / static_cast<double>(lines.bytes_total());
}

Status optional_text(const Json& object, const char* key, std::optional<std::string>& to) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return Ok{};
  if (!it->is_string()) return invalid(std::string(key) + " is no string", key);
  to = it->get<std::string>();
  return Ok{};
}

Status check_swap(const Row& row) {
  if (row.swap && *row.swap != "none" && *row.swap != "average")
    return invalid("swap is neither none nor average", "swap");
  return Ok{};
}

Result<Row> row_of(const Json& object) {
  Row row;
  for (auto [key, into] : {std::pair{"prompt", &row.prompt}, std::pair{"response_a", &row.response_a},
                           std::pair{"response_b", &row.response_b}}) {
    if (!object.contains(key)) return invalid(std::string(key) + " is missing", key);
    auto text = flatten(object[key], Form::kFile, key);
    if (!text) return text.error();
    *into = std::move(*text);
  }
  const bool texts =
      object["prompt"].is_string() && object["response_a"].is_string() && object["response_b"].is_string();
  if (texts) flatten_lmsys(row.prompt, row.response_a, row.response_b);
  if (const Status s = optional_text(object, "adapter", row.adapter); !s) return s.error();
  if (const Status s = optional_text(object, "swap", row.swap); !s) return s.error();
  if (const Status s = check_swap(row); !s) return s.error();
  return row;
}

class JsonLines : public RowReader {
 public:
  explicit JsonLines(LineReader lines) : lines_(std::move(lines)) {}

  Result<std::optional<RowRead>> next() override {
    while (true) {
      auto line = lines_.next();
      if (!line) return line.error();
      if (!*line) return std::optional<RowRead>();
      if ((*line)->find_first_not_of(" \t\r\v\f") == std::string::npos) continue;
      return std::optional<RowRead>(read(**line, std::to_string(lines_.line_number())));
    }
  }

  std::optional<double> progress() const override { return share(lines_); }

 private:
  static RowRead read(const std::string& line, const std::string& number) {
    const auto json = parse_json(line);
    if (!json) return {number, invalid("line " + number + ": " + json.error().what)};
    if (!json->is_object()) return {number, invalid("line " + number + " is not a JSON object")};
    const std::string id = json->contains("id") ? (*json)["id"].dump() : number;
    auto row = row_of(*json);
    if (row) row->id = id;
    return {id, std::move(row)};
  }

  LineReader lines_;
};

class Csv : public RowReader {
 public:
  static Result<std::unique_ptr<RowReader>> open(LineReader lines, const std::string& path) {
    auto self = std::make_unique<Csv>(std::move(lines));
    auto header = self->lines_.next_record();
    if (!header) return header.error();
    if (*header) {
      for (std::size_t i = 0; i < (*header)->size(); ++i) self->columns_.emplace((**header)[i], i);
      self->width_ = (*header)->size();
    }
    for (const char* key : {"prompt", "response_a", "response_b"})
      if (!self->columns_.contains(key))
        return invalid(path + ": the first line has no column " + key +
                       ", expected prompt, response_a, response_b");
    return std::unique_ptr<RowReader>(std::move(self));
  }

  explicit Csv(LineReader lines) : lines_(std::move(lines)) {}

  Result<std::optional<RowRead>> next() override {
    while (true) {
      const std::string number = std::to_string(lines_.line_number() + 1);
      auto record = lines_.next_record();
      if (!record) return record.error();
      if (!*record) return std::optional<RowRead>();
      if ((*record)->size() == 1 && (**record)[0].empty()) continue;
      return std::optional<RowRead>(read(**record, number));
    }
  }

  std::optional<double> progress() const override { return share(lines_); }

 private:
  RowRead read(const std::vector<std::string>& record, const std::string& number) const {
    const auto cell = [&](const char* key) -> std::optional<std::string> {
      const auto it = columns_.find(key);
      if (it == columns_.end() || it->second >= record.size()) return std::nullopt;
      return record[it->second];
    };
    std::string id = number;
    if (const auto given = cell("id"); given && !given->empty() && utf8::valid(*given)) {
      id.clear();
      JsonWriter(id).value(*given);
    }
    if (record.size() != width_)
      return {id, invalid("line " + number + " has " + std::to_string(record.size()) +
                          " fields, the header has " + std::to_string(width_))};
    Row row;
    row.id = id;
    row.prompt = *cell("prompt");
    row.response_a = *cell("response_a");
    row.response_b = *cell("response_b");
    for (const auto& [key, text] :
         {std::pair{"prompt", &row.prompt}, std::pair{"response_a", &row.response_a},
          std::pair{"response_b", &row.response_b}})
      if (!utf8::valid(*text)) return {id, invalid(std::string(key) + " is not valid UTF-8", key)};
    flatten_lmsys(row.prompt, row.response_a, row.response_b);
    if (const auto adapter = cell("adapter"); adapter && !adapter->empty()) row.adapter = adapter;
    if (const auto swap = cell("swap"); swap && !swap->empty()) row.swap = swap;
    if (const Status s = check_swap(row); !s) return {id, s.error()};
    return {id, std::move(row)};
  }

  LineReader lines_;
  std::map<std::string, std::size_t> columns_;
  std::size_t width_ = 0;
};

}  // namespace

Result<std::unique_ptr<RowReader>> RowReader::open(const std::string& path, RowFormat format) {
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  const bool csv = format == RowFormat::kCsv ||
                   (format == RowFormat::kAuto && (path.ends_with(".csv") || path.ends_with(".csv.gz")));
  if (csv) return Csv::open(std::move(*lines), path);
  return std::unique_ptr<RowReader>(std::make_unique<JsonLines>(std::move(*lines)));
}

}  // namespace preferd
