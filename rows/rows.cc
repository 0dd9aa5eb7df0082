#include "rows/rows.h"

#include "base/object_reader.h"
#include "rows/forms.h"

namespace preferd::rows {
namespace {

// Values that a row may have beside its texts; null counts as absent, other keys are passed over.
class RowVoice : public ReaderVoice {
 public:
  RowVoice() {
    null = Null::kAbsent;
    keys = Keys::kOpen;
  }
  Error wrong(const std::string& path, const Json& found, const std::string& what) const override {
    Error error = ReaderVoice::wrong(path, found, what);
    error.param = path;
    return error;
  }
};

void describe(Schema& s, Row& row) {
  s.text("adapter", row.adapter, "which adapter judges");
  s.choice("swap", row.swap, "average judges both orders of the responses");
}

Competition competition_of(const Json& fields, const Texts& texts) {
  if (fields.contains("winner_model_a") || fields.contains("winner_tie")) return Competition::kLmsys;
  if (fields.contains("winner") || fields.contains("scored")) return Competition::kWsdm;
  return texts.lmsys_turns ? Competition::kLmsys : Competition::kUnknown;
}

Result<Row> row_of(Json& fields, InvalidText invalid_text) {
  if (const Status status = to_pair(fields, Sides::kChosenFirst); !status) return status.error();
  auto texts = texts_of(fields, invalid_text);
  if (!texts) return texts.error();
  Row row;
  row.competition = competition_of(fields, *texts);
  row.prompt = std::move(texts->prompt);
  row.response_a = std::move(texts->response_a);
  row.response_b = std::move(texts->response_b);
  row.turns = std::move(texts->turns);
  const RowVoice voice;
  ReadFaults faults;
  ObjectReader reader(fields, "", voice, faults);
  describe(reader, row);
  if (const Status status = faults.status(); !status) return status.error();
  return row;
}

}  // namespace

Result<RowReader> RowReader::open(const std::string& path, RowFormat format, InvalidText invalid_text) {
  auto records = RecordReader::open(path, format, invalid_text);
  if (!records) return records.error();
  return RowReader(std::move(*records), invalid_text);
}

Result<std::optional<RowRead>> RowReader::next() {
  auto record = records_->next();
  if (!record) return record.error();
  if (!*record) return std::optional<RowRead>();
  RecordRead& got = **record;
  auto row = got.fields ? row_of(*got.fields, invalid_text_) : Result<Row>(got.fields.error());
  if (row) row->id = got.id;
  return std::optional<RowRead>(RowRead{got.line, std::move(got.id), std::move(row), got.element});
}

}  // namespace preferd::rows
