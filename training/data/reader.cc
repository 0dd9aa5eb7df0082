#include "training/data/reader.h"

#include <array>
#include <filesystem>

#include "base/utf8.h"
#include "rows/forms.h"

namespace preferd::training {
namespace {

constexpr std::size_t kMaxName = 256;

std::string stem_of(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  for (const char* ending : {".gz", ".zst", ".jsonl", ".json", ".csv", ".tsv"})
    if (name.ends_with(ending)) name.resize(name.size() - std::string_view(ending).size());
  return utf8::repaired(name).substr(0, kMaxName);
}

Status read_name(const Json& fields, const char* key, std::string& into) {
  const auto it = fields.find(key);
  if (it == fields.end() || it->is_null()) return Ok{};
  if (it->is_number())
    into = it->dump();
  else if (it->is_string())
    into = it->get_ref<const std::string&>();
  else
    return invalid(std::string(key) + ": found " + it->type_name() + ", expected a name", key);
  if (into.size() > kMaxName)
    return invalid(std::string(key) + " has " + std::to_string(into.size()) +
                       " bytes, expected a name of at most " + std::to_string(kMaxName),
                   key);
  if (!utf8::valid(into)) return invalid(std::string(key) + " is not valid UTF-8", key);
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<ExampleReader>> ExampleReader::open(const std::string& path, LabelRule rule,
                                                           rows::InvalidText invalid_text) {
  auto records = rows::RecordReader::open(path, rows::RowFormat::kAuto, invalid_text);
  if (!records) return records.error();
  auto self = std::make_unique<ExampleReader>();
  self->records_ = std::move(*records);
  self->path_ = path;
  self->stem_ = stem_of(path);
  self->rule_ = std::move(rule);
  self->invalid_text_ = invalid_text;
  return self;
}

Result<std::optional<ExampleRead>> ExampleReader::next() {
  auto record = records_->next();
  if (!record) return record.error();
  if (!*record) return std::optional<ExampleRead>();
  rows::RecordRead& got = **record;
  ExampleRead out;
  Status s = got.fields ? Status(Ok{}) : got.fields.error();
  if (s) s = rows::to_pair(*got.fields, rows::Sides::kHashed);
  if (s) s = read(*got.fields, out.example);
  if (!s) out.fault = rows::place_of(path_, got.line, got.element) + ": " + s.error().what;
  out.example.id = std::move(got.id);
  out.example.file = path_;
  out.example.line = got.line;
  return std::optional<ExampleRead>(std::move(out));
}

Status ExampleReader::read(const Json& fields, Example& example) const {
  auto texts = rows::texts_of(fields, invalid_text_);
  if (!texts) return texts.error();
  example.pair = {std::move(texts->prompt), std::move(texts->response_a), std::move(texts->response_b),
                  std::move(texts->turns)};
  for (auto [key, into] : {std::pair{"language", &example.language}, std::pair{"source", &example.source},
                           std::pair{"model_a", &example.model_a}, std::pair{"model_b", &example.model_b}})
    if (const Status s = read_name(fields, key, *into); !s) return s.error();
  if (example.source.empty()) example.source = stem_;
  const Labels labels = rule_(example.source);
  if (labels == Labels::kTeacher) return Ok{};
  auto target = label_of(fields, labels);
  if (!target) return target.error();
  example.target = *target;
  return Ok{};
}

}  // namespace preferd::training
