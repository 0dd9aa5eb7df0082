// preferd score: a file of pairs in, a file of verdicts out, in order, with the engine that serves.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "base/numbers.h"
#include "cli/common.h"
#include "cli/score_run.h"

namespace preferd::cli {
namespace {

Status read_shard(ScoreOptions& o) {
  if (o.shard.empty()) return Ok{};
  const std::size_t slash = o.shard.find('/');
  const auto part = [&](std::size_t from, std::size_t count) {
    return parse_number<std::size_t>(std::string_view(o.shard).substr(from, count));
  };
  const auto index = slash == std::string::npos ? std::nullopt : part(0, slash);
  const auto count = slash == std::string::npos ? std::nullopt : part(slash + 1, std::string::npos);
  if (!index || !count || *count == 0 || *index >= *count)
    return invalid("flag --shard is '" + o.shard +
                   "', expected i/n with 0 <= i < n: rows i, i + n, i + 2n, ...");
  o.shard_index = *index;
  o.shard_count = *count;
  return Ok{};
}

// What the rest of a limited run's input would take, where its size is known.
void print_rest(const ScoreOptions& o, const Totals& totals, double seconds) {
  if (o.limit == 0 || !totals.input_share || *totals.input_share <= 0 || *totals.input_share >= 1) return;
  const double whole = seconds / *totals.input_share;
  std::fprintf(stderr, "that was %.2g %% of %s; all of it would take about %.2g %s\n",
               100 * *totals.input_share, o.input.c_str(), whole < 600 ? whole : whole / 60,
               whole < 600 ? "s" : "minutes");
}

void print_summary(const Totals& totals, const scorer::ScorerInfo& info, double seconds) {
  std::fprintf(
      stderr,
      "scored %zu rows (%zu failed) in %.1f s: %.1f pairs/s, %.0f tokens/s; package %s, compute %s%s%s\n",
      totals.rows, totals.failed, seconds, static_cast<double>(totals.rows) / seconds,
      static_cast<double>(totals.tokens) / seconds, title(info).c_str(), info.compute.c_str(),
      info.compute_note.empty() ? "" : ": ", info.compute_note.c_str());
}

int report_failed(const ScoreOptions& o, const Totals& totals) {
  for (const std::string& reason : totals.reasons) std::fprintf(stderr, "%s\n", reason.c_str());
  if (totals.failed > totals.reasons.size())
    std::fprintf(stderr, "... and %zu more\n", totals.failed - totals.reasons.size());
  if (o.form == ScoreOptions::Form::kSubmission && totals.failed > 0)
    std::fprintf(stderr, "warning: %zu bad rows were given model_a (or equal thirds) in the submission\n",
                 totals.failed);
  std::string what = std::to_string(totals.failed) + " of " + std::to_string(totals.rows) + " rows failed";
  if (totals.failed_before > 0)
    what += ", and " + std::to_string(totals.failed_before) + " of those that were written before";
  return report(invalid(what), kBadRows);
}

}  // namespace

void describe(Schema& s, ScoreOptions& o) {
  s.text("input", o.input, "JSON Lines, a JSON array, CSV or TSV, plain, .gz or .zst; - is standard input",
         {.required = true});
  s.text("output", o.output, "where verdicts go, in input order; - is standard output");
  describe(s, o.engine);
  s.choice("format", o.form,
           "form of the output: jsonl has everything (logits, tokens, what was cut); csv has "
           "id,winner,p_model_a,p_model_b[,p_tie],error; submission is what Kaggle takes");
  s.choice("competition", o.competition,
           "form of a submission: wsdm is id,winner, lmsys is id,winner_model_a,winner_model_b,winner_tie; "
           "auto goes by the first row of the input");
  s.choice("input-format", o.input_format, "form of the input; auto goes by the file's ending");
  s.choice("invalid-text", o.invalid_text,
           "what halves of UTF-16 pairs and bytes that are no UTF-8 are: an error of their row, or U+FFFD");
  s.toggle("swap", o.swap, "average both orders of the responses, for rows that do not say");
  s.text("adapter", o.adapter, "adapter for rows that do not say; without it the package's default");
  s.integer("limit", o.limit, 0, std::size_t{1} << 40, "score only the first so many rows; 0 is all");
  s.text("shard", o.shard, "i/n: score only rows i, i + n, i + 2n, ... (from 0)");
  s.toggle("resume", o.resume, "go on after the lines that the output already holds");
  s.toggle("quiet", o.quiet, "no progress and no summary");
}

namespace {

int score(ScoreOptions& o, const Loaded&) {
  if (const auto code = check_device(o.engine)) return *code;
  if (const Status s = read_shard(o); !s) return report(s.error(), kBadUsage);
  if (o.competition != rows::Competition::kUnknown && o.form != ScoreOptions::Form::kSubmission)
    return report(invalid("flag --competition goes with --format submission"), kBadUsage);
  if (o.resume && o.output == "-") return report(invalid("flag --resume needs --output FILE"), kBadUsage);

  std::error_code unknown;
  if (std::filesystem::is_regular_file(o.output, unknown) &&
      std::filesystem::equivalent(o.input, o.output, unknown))
    return report(invalid("flag --output: " + o.output + " is the input, expected another file"), kBadUsage);
  auto reader = rows::RowReader::open(o.input, o.input_format, o.invalid_text);
  if (!reader) return report(reader.error(), reader.error().code == Code::kNotFound ? kFailed : kBadRows);
  auto scorer = open_scorer(o.engine, scorer::Golden::kVerify);
  if (!scorer) return report(scorer.error(), kFailed);
  const auto& names = (*scorer)->info().adapters;
  if (!o.adapter.empty() && std::none_of(names.begin(), names.end(),
                                         [&](const scorer::AdapterInfo& a) { return a.name == o.adapter; }))
    return report(invalid("flag --adapter: the package has no adapter '" + o.adapter + "'"), kBadUsage);
  auto output = Output::open(o.output, o.resume ? Existing::kContinued : Existing::kReplaced);
  if (!output) return report(output.error(), kFailed);

  const auto start = std::chrono::steady_clock::now();
  const auto totals = ScoreRun(o, *scorer, std::move(*output), std::move(*reader))();
  if (!totals) return report(totals.error(), kFailed);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double seconds = std::max(took.count(), 1e-9);
  if (!o.quiet) print_summary(*totals, (*scorer)->info(), seconds);
  if (!o.quiet) print_rest(o, *totals, seconds);
  if (totals->failed + totals->failed_before > 0) return report_failed(o, *totals);
  return kDone;
}

}  // namespace

Command score_command() {
  return command<ScoreOptions>({.name = "score",
                                .summary = "score a file of pairs offline",
                                .about = "Scores a file of pairs offline, with the engine that serves."},
                               score);
}

}  // namespace preferd::cli
