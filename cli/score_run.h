// The run of `preferd score`: rows in, lines out, in order.
//
// Rows are read in chunks; a chunk is encoded on all cores, scored, written and flushed before the next is
// read. So memory is bounded, an interrupted run loses at most one chunk, and a resumed one goes on after the
// last whole line. A chunk in which the package changed is not written, and ends the run.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "cli/common.h"
#include "cli/progress.h"
#include "cli/score_output.h"
#include "cli/verdict_line.h"
#include "rows/rows.h"

namespace preferd::cli {

struct ScoreOptions {
  EngineOptions engine;
  std::string input, output = "-", adapter, shard;
  rows::RowFormat input_format = rows::RowFormat::kAuto;
  rows::InvalidText invalid_text = rows::InvalidText::kError;
  enum class Form { kJsonLines, kCsv, kSubmission };
  Form form = Form::kJsonLines;
  rows::Competition competition = rows::Competition::kUnknown;  // of a submission; kUnknown: as the rows tell
  bool swap = false, resume = false, quiet = false;
  std::size_t limit = 0;  // rows of the input; 0 is all
  std::size_t shard_index = 0, shard_count = 1;
};
void describe(Schema& schema, ScoreOptions& options);
constexpr auto words(ScoreOptions::Form) {
  return word_list<ScoreOptions::Form>({{"jsonl", ScoreOptions::Form::kJsonLines},
                                        {"csv", ScoreOptions::Form::kCsv},
                                        {"submission", ScoreOptions::Form::kSubmission}});
}

struct Totals {
  std::size_t rows = 0, failed = 0;
  std::size_t failed_before = 0;  // rows of a resumed run's earlier part that cannot be read
  std::int64_t tokens = 0;
  std::vector<std::string> reasons;   // of the first rows that failed: FILE:LINE: what
  std::optional<double> input_share;  // of the input that was read, 0..1, where its size is known
};

// One thread.
class ScoreRun {
 public:
  ScoreRun(ScoreOptions options, std::shared_ptr<scorer::Scorer> scorer, Output output,
           rows::RowReader reader);

  // Errors: an unreadable input, an output that cannot be written.
  Result<Totals> operator()();

 private:
  // Rows that are being scored: by GPUs, while the next ones are read and encoded.
  struct Chunk {
    std::vector<rows::RowRead> rows;
    std::vector<Result<scorer::Encoded>> encoded;
    std::future<std::vector<Result<scorer::Verdict>>> verdicts;
  };

  bool on_cpu() const { return scorer_->info().device == "cpu"; }
  Status begin(rows::Competition of_rows);                    // settles the format and writes the header line
  Result<bool> read_chunk(std::vector<rows::RowRead>& rows);  // false: there are no more
  Result<scorer::Encoded> encode(const rows::RowRead& read) const;
  Status start(std::vector<rows::RowRead> rows);
  Status finish();  // waits for what is being scored and writes it
  std::vector<Result<scorer::Verdict>> score_in_slices(const std::vector<const scorer::Encoded*>& items);

  ScoreOptions options_;
  std::shared_ptr<scorer::Scorer> scorer_;
  Output output_;
  rows::RowReader reader_;
  ThreadPool encoders_;
  Progress progress_;
  Totals totals_;
  std::size_t number_ = 0;  // rows of the input that were read
  std::size_t skip_ = 0;    // lines that a resumed run has already
  std::optional<LineFormat> format_;
  std::optional<Chunk> running_;
};

}  // namespace preferd::cli
