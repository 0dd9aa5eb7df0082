#include "cli/score_run.h"

#include <cstdio>
#include <utility>

#include "cli/submission.h"
#include "model/scorer/prefixes.h"

namespace preferd::cli {
namespace {

constexpr std::size_t kChunkRows = 64, kGpuChunkRows = 256;
constexpr std::size_t kReasons = 5;

// A CPU is asked for about so many tokens at a time, so that progress is seen; its products are as fast as
// with more.
constexpr std::size_t kSliceTokens = 2048;

}  // namespace

ScoreRun::ScoreRun(ScoreOptions options, std::shared_ptr<scorer::Scorer> scorer, Output output,
                   rows::RowReader reader)
    : options_(std::move(options)),
      scorer_(std::move(scorer)),
      output_(std::move(output)),
      reader_(std::move(reader)),
      encoders_(thread_count(options_.engine.threads)),
      progress_(options_.quiet ? Progress::Shown::kNever : Progress::Shown::kAlways) {}

Result<Totals> ScoreRun::operator()() {
  skip_ = output_.lines_kept();
  for (bool more = true; more;) {
    std::vector<rows::RowRead> rows;
    auto read = read_chunk(rows);
    if (!read) {
      if (const Status s = finish(); !s) return s.error();
      return read.error();
    }
    more = *read;
    if (const Status s = start(std::move(rows)); !s) return s.error();
    // A CPU computes with what would read the next ones: nothing is gained by a chunk's wait for them.
    if (!more || on_cpu())
      if (const Status s = finish(); !s) return s.error();
    progress_.show(totals_.rows, totals_.tokens, reader_.progress());
  }
  if (skip_ > 0)
    return invalid(options_.output + ": has " + std::to_string(skip_) +
                   " lines more than the input has rows; is it the output of another file?");
  totals_.input_share = reader_.progress();
  return std::move(totals_);
}

Result<bool> ScoreRun::read_chunk(std::vector<rows::RowRead>& rows) {
  const std::size_t most = on_cpu() ? kChunkRows : kGpuChunkRows;
  while (rows.size() < most) {
    if (options_.limit > 0 && number_ == options_.limit) return false;
    auto row = reader_.next();
    if (!row) return row.error();
    const bool good = *row && (*row)->row;
    if (!format_)
      if (const Status s = begin(good ? (*row)->row->competition : rows::Competition::kUnknown); !s)
        return s.error();
    if (!*row) return false;
    if (number_++ % options_.shard_count != options_.shard_index) continue;
    if (skip_ == 0) {
      rows.push_back(std::move(**row));
      continue;
    }
    totals_.failed_before += !good;
    if (--skip_ == 0 && !output_.last_line().starts_with(line_start(*format_, (*row)->id)))
      return invalid(options_.output + ": its last line is not of row " + (*row)->id +
                     "; is it the output of another file, or of other flags?");
  }
  return true;
}

// The first row says what the file is.
Status ScoreRun::begin(rows::Competition of_rows) {
  const int classes = scorer_->info().classes;
  format_ = options_.form == ScoreOptions::Form::kCsv ? LineFormat::kCsv : LineFormat::kJsonLines;
  if (options_.form == ScoreOptions::Form::kSubmission) {
    const Submission submission = submission_of(options_.competition, of_rows, classes);
    format_ = submission.format;
    if (!submission.note.empty() && !options_.quiet) progress_.line("note: " + submission.note);
  }
  const std::string header = header_line(*format_, classes);
  if (skip_ > 0) {
    const std::string expected = header.empty() ? "{" : header.substr(0, header.size() - 1);
    const std::string& found = output_.first_line();
    if (header.empty() ? !found.starts_with(expected) : found != expected)
      return invalid(options_.output + ": begins with '" + found.substr(0, 80) + "', expected " +
                     (header.empty() ? "JSON" : "'" + expected + "'") + " to go on in this form");
  }
  if (const Status s = output_.cut_torn_line(); !s) return s;
  if (header.empty()) return Ok{};
  if (skip_ == 0) return output_.write(header);
  --skip_;
  return Ok{};
}

Result<scorer::Encoded> ScoreRun::encode(const rows::RowRead& read) const {
  if (!read.row) return read.row.error();
  const rows::Row& row = *read.row;
  scorer::Ask ask{{row.prompt, row.response_a, row.response_b, row.turns},
                  row.adapter.value_or(options_.adapter),
                  scorer::Swap::kNone,
                  scorer::Overflow::kPackage};
  if (row.swap ? *row.swap == rows::RowOrders::kAverage : options_.swap) ask.swap = scorer::Swap::kAverage;
  return scorer_->encode(ask);
}

Status ScoreRun::start(std::vector<rows::RowRead> rows) {
  std::vector<Result<scorer::Encoded>> encoded(rows.size(), Result<scorer::Encoded>(Error{}));
  encoders_.run(rows.size(), [&](std::size_t i, int) { encoded[i] = encode(rows[i]); });
  if (const Status s = finish(); !s) return s;
  std::vector<const scorer::Encoded*> items;
  for (const auto& e : encoded)
    if (e) items.push_back(&*e);
  const auto when = on_cpu() ? std::launch::deferred : std::launch::async;
  auto verdicts = std::async(when, [this, items = std::move(items)] { return score_in_slices(items); });
  running_ = Chunk{std::move(rows), std::move(encoded), std::move(verdicts)};
  return Ok{};
}

std::vector<Result<scorer::Verdict>> ScoreRun::score_in_slices(
    const std::vector<const scorer::Encoded*>& items) {
  if (!on_cpu()) return scorer_->score(items);
  const std::vector<std::size_t> order = scorer::alike_together(items);
  std::vector<Result<scorer::Verdict>> verdicts(items.size(), Result<scorer::Verdict>(Error{}));
  std::int64_t tokens = totals_.tokens;
  for (std::size_t begin = 0, end; begin < order.size(); begin = end) {
    std::vector<const scorer::Encoded*> slice;
    scorer::ForwardCost cost;
    for (end = begin; end < order.size(); ++end) {
      const scorer::Encoded& item = *items[order[end]];
      const std::size_t added = cost.of(item);
      const bool shares = item.cost_tokens - added > added;  // most of it would be computed again
      if (cost.tokens() >= kSliceTokens && !shares) break;
      slice.push_back(&item);
      cost.add(item);
    }
    auto answers = scorer_->score(slice);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]) tokens += answers[i]->tokens.total;
      verdicts[order[begin + i]] = std::move(answers[i]);
    }
    progress_.show(totals_.rows + end, tokens, reader_.progress());
  }
  return verdicts;
}

Status ScoreRun::finish() {
  if (!running_) return Ok{};
  Chunk chunk = *std::exchange(running_, std::nullopt);
  auto verdicts = chunk.verdicts.get();
  for (const Result<scorer::Verdict>& v : verdicts)
    if (!v && v.error().code == Code::kChanged) return v.error();
  std::string text;
  std::size_t next = 0;
  for (std::size_t i = 0; i < chunk.rows.size(); ++i) {
    const rows::RowRead& row = chunk.rows[i];
    const Result<scorer::Verdict> verdict =
        chunk.encoded[i] ? std::move(verdicts[next++]) : Result<scorer::Verdict>(chunk.encoded[i].error());
    ++totals_.rows;
    if (verdict) {
      totals_.tokens += verdict->tokens.total;
    } else if (totals_.failed++ < kReasons) {
      const std::string file = options_.input == "-" ? "standard input" : options_.input;
      totals_.reasons.push_back(rows::place_of(file, row.line, row.element) + ": " + verdict.error().what);
    }
    text += verdict_line(*format_, row.id, verdict, scorer_->info().classes);
  }
  return output_.write(text);
}

}  // namespace preferd::cli
