#include "rows/records.h"

#include <array>
#include <string_view>

#include "base/utf8.h"
#include "rows/record_sources.h"
#include "rows/turns.h"

namespace preferd::rows {
namespace {

constexpr std::array<const char*, 3> kTexts = {"prompt", "response_a", "response_b"};

bool is_table(const std::string& path, std::string_view ending) {
  std::string_view name = path;
  for (const std::string_view packed : {".gz", ".zst"})
    if (name.ends_with(packed)) name.remove_suffix(packed.size());
  return name.ends_with(ending);
}

}  // namespace

std::optional<double> share(const LineReader& lines) {
  if (lines.bytes_total() == 0) return std::nullopt;
  return static_cast<double>(lines.bytes_read()) / static_cast<double>(lines.bytes_total());
}

std::string place_of(const std::string& file, std::size_t line, std::size_t element) {
  return element == 0 ? file + ':' + std::to_string(line) : file + ", element " + std::to_string(element);
}

const char* id_key(const Json& row) {
  if (row.contains("id")) return "id";
  if (!row.contains("conversation_a")) return nullptr;
  for (const char* key : {"conversation_id", "question_id"})
    if (const auto it = row.find(key); it != row.end() && !it->is_null()) return key;
  return nullptr;
}

Result<std::unique_ptr<RecordReader>> RecordReader::open(const std::string& path, RowFormat format,
                                                         InvalidText invalid_text) {
  auto lines = LineReader::open(path);
  if (!lines) return lines.error();
  if (path.ends_with(".parquet")) return parquet(path);
  if (format == RowFormat::kAuto)
    format = is_table(path, ".csv")   ? RowFormat::kCsv
             : is_table(path, ".tsv") ? RowFormat::kTsv
                                      : RowFormat::kJsonLines;
  if (format == RowFormat::kJsonLines) return json_records(std::move(*lines), path, invalid_text);
  return table_records(std::move(*lines), path, format == RowFormat::kCsv ? ',' : '\t', invalid_text);
}

Result<Texts> texts_of(const Json& fields, InvalidText invalid_text) {
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
  if (!all_strings) return texts;
  const auto lists = flatten_lmsys(texts.prompt, texts.response_a, texts.response_b, invalid_text);
  if (!lists) return lists.error();
  texts.lmsys_turns = *lists;
  return texts;
}

}  // namespace preferd::rows
