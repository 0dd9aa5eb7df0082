// Labelled pairs from a file: rows (rows/records.h) that also carry a label (labels.h), and may carry
// language, source, model_a and model_b. The native form and the LMSYS and WSDM Kaggle files all have this
// form. Rows of other forms are read too (rows/forms.h); chosen and rejected are votes for chosen.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "rows/records.h"
#include "training/data/example.h"
#include "training/data/labels.h"

namespace preferd::training {

// Which label to read in rows of this source.
using LabelRule = std::function<Labels(const std::string& source)>;

struct ExampleRead {
  std::string
      fault;  // what is wrong with the row, as "FILE:LINE: ..." or "FILE, element N: ..."; empty: nothing
  // For a good row; rows of Labels::kTeacher have a target of zeros. group, weight and teacher are not set.
  Example example;
};

// One thread.
class ExampleReader {
 public:
  // Rows without a source get the file's name without its extensions. Errors: RecordReader::open.
  static Result<std::unique_ptr<ExampleReader>> open(
      const std::string& path, LabelRule rule, rows::InvalidText invalid_text = rows::InvalidText::kError);

  // The next row; nothing at the end. Errors end the run: an unreadable or damaged file.
  Result<std::optional<ExampleRead>> next();

  std::optional<double> progress() const { return records_->progress(); }

 private:
  Status read(const Json& fields, Example& into) const;

  std::unique_ptr<rows::RecordReader> records_;
  std::string path_, stem_;
  LabelRule rule_;
  rows::InvalidText invalid_text_ = rows::InvalidText::kError;
};

}  // namespace preferd::training
