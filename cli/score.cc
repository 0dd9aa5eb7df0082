// preferd score: a file of pairs in, a file of verdicts out, in order, with the engine that serves.
//
// Rows are read in chunks; a chunk is encoded on all cores, scored, written and flushed before the next is
// read. So memory is bounded, an interrupted run loses at most one chunk, and --resume goes on after the last
// whole line. A chunk that was scored while the package changed is not written: the run ends there.
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <utility>

#include "base/parallel.h"
#include "cli/common.h"
#include "cli/progress.h"
#include "cli/verdict_line.h"
#include "rows/lines.h"
#include "rows/rows.h"

namespace preferd::cli {
namespace {

constexpr std::size_t kChunkRows = 64, kGpuChunkRows = 256;

struct ScoreOptions {
  EngineOptions engine;
  std::string input, output = "-", adapter, shard;
  RowFormat input_format = RowFormat::kAuto;
  LineFormat format = LineFormat::kJsonLines;
  bool swap = false, resume = false, quiet = false;
  std::size_t shard_index = 0, shard_count = 1;
};

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

// Where lines go. Resuming: keeps whole lines that are there already and cuts a torn last one.
class Output {
 public:
  static Result<Output> open(const std::string& path, bool resume) {
    Output out;
    if (path == "-") {
      out.file_ = stdout;
      return out;
    }
    if (resume && std::filesystem::exists(path))
      if (const Status kept = out.keep_whole_lines(path); !kept) return kept.error();
    out.file_ = std::fopen(path.c_str(), resume ? "ab" : "wb");
    if (out.file_ == nullptr) return invalid(path + ": cannot open for writing: " + std::strerror(errno));
    out.path_ = path;
    return out;
  }

  std::size_t lines_kept() const { return kept_; }

  Status write(const std::string& text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) == text.size() && std::fflush(file_) == 0)
      return Ok{};
    return invalid((path_.empty() ? "standard output" : path_) + ": cannot write: " + std::strerror(errno));
  }

 private:
  Status keep_whole_lines(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::uintmax_t size = 0, whole = 0;
    std::vector<char> buffer(1 << 20);
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || in.gcount() > 0) {
      for (std::streamsize i = 0; i < in.gcount(); ++i) {
        ++size;
        if (buffer[static_cast<std::size_t>(i)] != '\n') continue;
        whole = size;
        ++kept_;
      }
    }
    std::error_code ec;
    std::filesystem::resize_file(path, whole, ec);
    if (ec) return invalid(path + ": cannot resume: " + ec.message());
    return Ok{};
  }

  std::FILE* file_ = nullptr;
  std::string path_;
  std::size_t kept_ = 0;
};

struct Totals {
  std::size_t rows = 0, failed = 0;
  std::int64_t tokens = 0;
};

class Run {
 public:
  Run(ScoreOptions options, std::shared_ptr<Scorer> scorer, Output output, std::unique_ptr<RowReader> reader)
      : options_(std::move(options)),
        scorer_(std::move(scorer)),
        output_(std::move(output)),
        reader_(std::move(reader)),
        encoders_(thread_count(options_.engine.threads)) {}

  Result<Totals> operator()() {
    Progress progress(options_.quiet);
    const int classes = scorer_->info().classes;
    const std::string header = header_line(options_.format, classes);
    std::size_t skip = output_.lines_kept();
    if (!header.empty() && skip > 0)
      --skip;
    else if (!header.empty())
      if (const Status s = output_.write(header); !s) return s.error();
    std::size_t number = 0;
    const std::size_t chunk_rows = on_cpu() ? kChunkRows : kGpuChunkRows;
    for (bool more = true; more;) {
      std::vector<RowRead> rows;
      while (rows.size() < chunk_rows) {
        auto row = reader_->next();
        if (!row) {
          if (const Status s = finish(); !s) return s.error();
          return row.error();
        }
        if (!*row) {
          more = false;
          break;
        }
        if (number++ % options_.shard_count != options_.shard_index) continue;
        if (skip > 0)
          --skip;
        else
          rows.push_back(std::move(**row));
      }
      if (const Status s = start(std::move(rows)); !s) return s.error();
      // A CPU computes with what would read the next ones: nothing is gained by a chunk's wait for them.
      if (!more || on_cpu())
        if (const Status s = finish(); !s) return s.error();
      progress.show(totals_.rows, totals_.tokens, reader_->progress());
    }
    if (skip > 0)
      return invalid(options_.output + ": has " + std::to_string(skip) +
                     " lines more than the input has rows; is it the output of another file?");
    return totals_;
  }

 private:
  // Rows that are being scored: by GPUs, while the next ones are read and encoded.
  struct Chunk {
    std::vector<RowRead> rows;
    std::vector<Result<Encoded>> encoded;
    std::future<std::vector<Result<Verdict>>> verdicts;
  };

  bool on_cpu() const { return scorer_->info().device == "cpu"; }

  Status start(std::vector<RowRead> rows) {
    std::vector<Result<Encoded>> encoded(rows.size(), Result<Encoded>(Error{}));
    encoders_.run(rows.size(), [&](std::size_t i, int) { encoded[i] = encode(rows[i]); });
    if (const Status s = finish(); !s) return s;
    std::vector<const Encoded*> items;
    for (const auto& e : encoded)
      if (e) items.push_back(&*e);
    const auto when = on_cpu() ? std::launch::deferred : std::launch::async;
    auto verdicts = std::async(when, [this, items = std::move(items)] { return scorer_->score(items); });
    running_ = Chunk{std::move(rows), std::move(encoded), std::move(verdicts)};
    return Ok{};
  }

  // Waits for what is being scored and writes it.
  Status finish() {
    if (!running_) return Ok{};
    Chunk chunk = *std::exchange(running_, std::nullopt);
    auto verdicts = chunk.verdicts.get();
    for (const Result<Verdict>& v : verdicts)
      if (!v && v.error().code == Code::kChanged) return v.error();
    std::string text;
    std::size_t next = 0;
    for (std::size_t i = 0; i < chunk.rows.size(); ++i) {
      const Result<Verdict> verdict =
          chunk.encoded[i] ? std::move(verdicts[next++]) : Result<Verdict>(chunk.encoded[i].error());
      ++totals_.rows;
      totals_.failed += !verdict;
      if (verdict) totals_.tokens += verdict->tokens.total;
      text += verdict_line(options_.format, chunk.rows[i].id, verdict, scorer_->info().classes);
    }
    return output_.write(text);
  }

  Result<Encoded> encode(const RowRead& read) const {
    if (!read.row) return read.row.error();
    const Row& row = *read.row;
    Ask ask{{row.prompt, row.response_a, row.response_b},
            row.adapter.value_or(options_.adapter),
            Swap::kNone,
            Overflow::kPackage};
    if (row.swap ? *row.swap == "average" : options_.swap) ask.swap = Swap::kAverage;
    return scorer_->encode(ask);
  }

  ScoreOptions options_;
  std::shared_ptr<Scorer> scorer_;
  Output output_;
  std::unique_ptr<RowReader> reader_;
  ThreadPool encoders_;
  Totals totals_;
  std::optional<Chunk> running_;
};

void print_summary(const Totals& totals, const ScorerInfo& info, double seconds) {
  std::fprintf(
      stderr,
      "scored %zu rows (%zu failed) in %.1f s: %.1f pairs/s, %.0f tokens/s; package %s %s, compute %s%s%s\n",
      totals.rows, totals.failed, seconds, static_cast<double>(totals.rows) / seconds,
      static_cast<double>(totals.tokens) / seconds, info.name.c_str(), info.revision.c_str(),
      info.compute.c_str(), info.compute_note.empty() ? "" : ": ", info.compute_note.c_str());
}

}  // namespace

int score(const Arguments& arguments) {
  ScoreOptions o;
  Settings settings("preferd score", "Scores a file of pairs offline, with the engine that serves.");
  settings.text("input", o.input, "JSON Lines or CSV, plain or .gz; - is standard input").require("input");
  settings.text("output", o.output, "where verdicts go, in input order; - is standard output");
  declare(settings, o.engine);
  settings
      .choice("format", o.format,
              {{"jsonl", LineFormat::kJsonLines},
               {"csv", LineFormat::kCsv},
               {"submission", LineFormat::kSubmission}},
              "form of the output")
      .choice("input-format", o.input_format,
              {{"auto", RowFormat::kAuto}, {"jsonl", RowFormat::kJsonLines}, {"csv", RowFormat::kCsv}},
              "form of the input; auto goes by the file's ending")
      .toggle("swap", o.swap, "average both orders of the responses, for rows that do not say")
      .text("adapter", o.adapter, "adapter for rows that do not say; without it the package's default")
      .text("shard", o.shard, "i/n: score only rows i, i + n, i + 2n, ... (from 0)")
      .toggle("resume", o.resume, "go on after the lines that the output already holds")
      .toggle("quiet", o.quiet, "no progress and no summary");
  if (const auto code = load_settings(settings, arguments)) return *code;
  if (const auto code = check_device(o.engine)) return *code;
  if (const Status s = read_shard(o); !s) return report(s.error(), kBadUsage);
  if (o.resume && o.output == "-") return report(invalid("flag --resume needs --output FILE"), kBadUsage);

  auto reader = RowReader::open(o.input, o.input_format);
  if (!reader) return report(reader.error(), reader.error().code == Code::kNotFound ? kFailed : kBadRows);
  auto scorer = open_scorer(o.engine, Golden::kVerify);
  if (!scorer) return report(scorer.error(), kFailed);
  const auto& names = (*scorer)->info().adapters;
  if (!o.adapter.empty() &&
      std::none_of(names.begin(), names.end(), [&](const AdapterInfo& a) { return a.name == o.adapter; }))
    return report(invalid("flag --adapter: the package has no adapter '" + o.adapter + "'"), kBadUsage);
  auto output = Output::open(o.output, o.resume);
  if (!output) return report(output.error(), kFailed);

  const auto start = std::chrono::steady_clock::now();
  const auto totals = Run(o, *scorer, std::move(*output), std::move(*reader))();
  if (!totals) return report(totals.error(), kFailed);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (!o.quiet) print_summary(*totals, (*scorer)->info(), std::max(took.count(), 1e-9));
  if (totals->failed > 0) {
    if (o.format == LineFormat::kSubmission)
      std::fprintf(stderr, "warning: %zu bad rows were given model_a (or equal thirds) in the submission\n",
                   totals->failed);
    return report(
        invalid(std::to_string(totals->failed) + " of " + std::to_string(totals->rows) + " rows failed"),
        kBadRows);
  }
  return kDone;
}

}  // namespace preferd::cli
