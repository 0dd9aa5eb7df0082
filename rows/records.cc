#include "rows/records.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/utf8.h"
#include "rows/csv.h"
#include "rows/turns.h"

namespace preferd::rows {
namespace {

constexpr std::array<const char*, 3> kTexts = {"prompt", "response_a", "response_b"};

// The columns of each form of a row (rows/forms.h), those that must be there first: an empty cell of a form's is an
// empty text.
struct Columns {
  std::vector<const char*> needed, optional;
};
const std::array<Columns, 2> kForms = {
    {{{"prompt", "response_a", "response_b"}, {}}, {{"chosen", "rejected"}, {"prompt"}}}};
constexpr const char* kExpected = "prompt, response_a, response_b or chosen, rejected";

std::optional<double> share(const LineReader& lines) {
  if (lines.bytes_total() == 0) return std::nullopt;
  return static_cast<double>(lines.bytes_read()) / static_cast<double>(lines.bytes_total());
}

// The code unit of the \uXXXX that stands at `i`, if one does.
std::optional<unsigned> escaped_unit(std::string_view json, std::size_t i) {
  unsigned unit = 0;
  if (i + 6 > json.size() || json.substr(i, 2) != "\\u") return std::nullopt;
  const char* end = json.data() + i + 6;
  if (std::from_chars(end - 4, end, unit, 16).ptr != end) return std::nullopt;
  return unit;
}

// Half a UTF-16 pair becomes U+FFFD, so that the rest of the line can be read.
std::string without_lone_surrogates(std::string json) {
  for (std::size_t i = 0; (i = json.find('\\', i)) != std::string::npos;) {
    const unsigned unit = escaped_unit(json, i).value_or(0), next = escaped_unit(json, i + 6).value_or(0);
    const bool first = unit >> 10 == 0xD800 >> 10, second = unit >> 10 == 0xDC00 >> 10;
    const bool pair = first && next >> 10 == 0xDC00 >> 10;
    if (!pair && (first || second)) json.replace(i, 6, "\\ufffd");
    i += pair ? 12 : first || second ? 6 : 2;
  }
  return json;
}

class JsonLines : public RecordReader {
 public:
  JsonLines(LineReader lines, std::string path) : lines_(std::move(lines)), path_(std::move(path)) {}

  Result<std::optional<RecordRead>> next() override {
    while (true) {
      auto line = lines_.next();
      if (!line) return line.error();
      if (!*line) return std::optional<RecordRead>();
      if (lines_.line_number() == 1 && (*line)->starts_with("PAR1")) return parquet(path_);
      if ((*line)->find_first_not_of(" \t\r\v\f") == std::string::npos) continue;
      return std::optional<RecordRead>(read(**line, lines_.line_number()));
    }
  }

  std::optional<double> progress() const override { return share(lines_); }

  static Error parquet(const std::string& path) {
    const std::string stem = path.ends_with(".parquet") ? path.substr(0, path.size() - 8) : path;
    return invalid(path +
                   ": is Parquet, expected JSON Lines or CSV; convert it with: python3 -c \"import pandas; "
                   "pandas.read_parquet('" +
                   path + "').to_json('" + stem + ".jsonl', orient='records', lines=True)\"");
  }

 private:
  static RecordRead read(const std::string& line, std::size_t at) {
    const std::string number = std::to_string(at);
    auto json = parse_json(line);
    if (!json) {
      const auto rest = parse_json(without_lone_surrogates(line));
      if (!rest || !rest->is_object())
        return {at, number, invalid("line " + number + ": " + json.error().what)};
      return {at, id_of(*rest, number),
              invalid("line " + number + " holds a lone surrogate, half of a UTF-16 pair")};
    }
    if (!json->is_object()) return {at, number, invalid("line " + number + " is not a JSON object")};
    return {at, id_of(*json, number), std::move(json)};
  }

  static std::string id_of(const Json& row, const std::string& number) {
    return row.contains("id") ? row["id"].dump() : number;
  }

  LineReader lines_;
  std::string path_;
};

// The names of a header line, for a message: at most 200 bytes of them.
std::string columns(const std::vector<std::string>& header) {
  std::string names;
  for (const std::string& name : header) {
    if (names.size() + name.size() > 200) return names + ", ...";
    names.append(names.empty() ? "'" : ", '").append(utf8::repaired(name)).append("'");
  }
  return names.empty() ? "nothing" : names;
}

class Csv : public RecordReader {
 public:
  static Result<std::unique_ptr<RecordReader>> open(LineReader lines, const std::string& path) {
    auto self = std::make_unique<Csv>(std::move(lines));
    auto header = next_record(self->lines_);
    if (!header) return header.error();
    if (*header) self->header_ = std::move(**header);
    for (const Columns& form : kForms) {
      if (self->missing(form) != nullptr) continue;
      self->texts_ = form.needed;
      self->texts_.insert(self->texts_.end(), form.optional.begin(), form.optional.end());
      break;
    }
    if (self->texts_.empty())
      return invalid(path + ": the first line has no column " + self->missing(kForms[0]) + ", expected " +
                     kExpected + " separated by commas; it has " + columns(self->header_));
    return std::unique_ptr<RecordReader>(std::move(self));
  }

  explicit Csv(LineReader lines) : lines_(std::move(lines)) {}

  Result<std::optional<RecordRead>> next() override {
    while (true) {
      const std::size_t at = lines_.line_number() + 1;
      auto record = next_record(lines_);
      if (!record) return record.error();
      if (!*record) return std::optional<RecordRead>();
      if ((*record)->size() == 1 && (**record)[0].empty()) continue;
      return std::optional<RecordRead>(read(**record, at));
    }
  }

  std::optional<double> progress() const override { return share(lines_); }

 private:
  // The first of the form's that the header lacks; null: none.
  const char* missing(const Columns& form) const {
    for (const char* key : form.needed)
      if (std::find(header_.begin(), header_.end(), key) == header_.end()) return key;
    return nullptr;
  }

  RecordRead read(std::vector<std::string>& cells, std::size_t at) const {
    Json fields = Json::object();
    for (std::size_t i = 0; i < std::min(cells.size(), header_.size()); ++i)
      if (!cells[i].empty() || std::find(texts_.begin(), texts_.end(), header_[i]) != texts_.end())
        fields.emplace(header_[i], std::move(cells[i]));
    std::string id = std::to_string(at);
    if (const auto given = fields.find("id"); given != fields.end()) {
      const auto& text = given->get_ref<const std::string&>();
      if (utf8::valid(text)) {
        id.clear();
        JsonWriter(id).value(text);
      }
    }
    if (cells.size() != header_.size())
      return {at, id,
              invalid("line " + std::to_string(at) + " has " + std::to_string(cells.size()) +
                      " fields, the header has " + std::to_string(header_.size()))};
    return {at, std::move(id), std::move(fields)};
  }

  LineReader lines_;
  std::vector<std::string> header_;
  std::vector<const char*> texts_;  // columns whose empty cells are empty texts
};

}  // namespace

Result<std::unique_ptr<RecordReader>> RecordReader::open(const std::string& path, RowFormat format) {
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  if (path.ends_with(".parquet")) return JsonLines::parquet(path);
  const bool csv = format == RowFormat::kCsv ||
                   (format == RowFormat::kAuto && (path.ends_with(".csv") || path.ends_with(".csv.gz")));
  if (csv) return Csv::open(std::move(*lines), path);
  return std::unique_ptr<RecordReader>(std::make_unique<JsonLines>(std::move(*lines), path));
}

Result<Texts> texts_of(const Json& fields) {
  Texts texts;
  bool all_strings = true;
  for (auto [key, into] : {std::pair{kTexts[0], &texts.prompt}, std::pair{kTexts[1], &texts.response_a},
                           std::pair{kTexts[2], &texts.response_b}}) {
    const auto value = fields.find(key);
    if (value == fields.end()) return invalid(std::string(key) + " is missing", key);
    auto read = read_prompt(*value, Form::kFile, key);
    if (!read) return read.error();
    if (!utf8::valid(read->text)) return invalid(std::string(key) + " is not valid UTF-8", key);
    all_strings = all_strings && value->is_string();
    *into = std::move(read->text);
    if (into == &texts.prompt) texts.turns = std::move(read->turns);
  }
  if (all_strings) texts.lmsys_turns = flatten_lmsys(texts.prompt, texts.response_a, texts.response_b);
  return texts;
}

}  // namespace preferd::rows
