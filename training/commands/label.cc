// trainer label: a package answers the rows of files, as the teacher of another run.
#include <cstdio>

#include "training/commands/commands.h"
#include "training/commands/terminal.h"
#include "training/run/label.h"

namespace preferd::training {
namespace {

Result<std::unique_ptr<TrainableModel>> open_model(const std::string& package,
                                                   const TrainableOptions& placement) {
  const auto files = open_judge(package);
  if (!files) return files.error();
  auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return encoder.error();
  return TrainableModel::load(*encoder, placement);
}

struct Options {
  LabelOptions label;
  TrainableOptions model{.method = Method::kHead};
  std::string package;
  bool swap = false, embeddings = false, quiet = false;

  Options() { model.threads = all_cores(); }
};

void describe(Schema& s, Options& o) {
  s.text("package", o.package, "the teacher: a package directory, or a published model's",
         {.required = true});
  s.texts("input", o.label.inputs, "files of pairs; labels are not needed", {.required = true});
  s.text("output", o.label.output, "JSON Lines; goes on where it stopped", {.required = true});
  s.toggle("swap", o.swap, "mean of both orders of a pair");
  s.toggle("embeddings", o.embeddings, "write the pooled states too");
  s.integer("batch-tokens", o.label.batch_tokens, 1, 1 << 26, "tokens of one forward");
  s.integer("threads", o.model.threads, 1, 1024, "threads that compute");
  s.choice("device", o.model.device, "where it computes");
  s.choice("precision", o.model.precision, "of its arithmetic; bf16 on cuda only",
           {Precision::kFp32, Precision::kBf16});
  s.toggle("quiet", o.quiet, "errors only");
}

int run(const Options& o, const Loaded&) {
  LabelOptions options = o.label;
  options.threads = all_cores();
  options.orders = o.swap ? LabelOrders::kBoth : LabelOrders::kGiven;
  options.embeddings = o.embeddings ? Embeddings::kWrite : Embeddings::kNone;
  auto model = open_model(o.package, o.model);
  if (!model) return report(model.error(), kFailed);
  if (o.swap && package::traits((*model)->output()).scores_each_response())
    return report(invalid("flag --swap means nothing for a difference head, whose orders are mirrors"),
                  kBadUsage);
  Terminal terminal(o.quiet ? Verbosity::kQuiet : Verbosity::kNormal);
  const auto start = std::chrono::steady_clock::now();
  const auto rate = [&](const LabelCounts& c) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::to_string(c.rows) + " rows, " +
           std::to_string(
               static_cast<std::int64_t>(static_cast<double>(c.tokens) / std::max(seconds, 1e-3))) +
           " tokens/s";
  };
  const auto counts =
      label(**model, options,
            {.progress = [&](const LabelCounts& c) { terminal.status(rate(c)); },
             .bad_row = [&](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }});
  if (!counts) return report(counts.error(), kFailed);
  terminal.note(rate(*counts) +
                (counts->kept > 0 ? "; " + std::to_string(counts->kept) + " were there" : ""));
  if (counts->failed == 0) return kDone;
  return report(invalid(std::to_string(counts->failed) + " rows were bad and got no label"), kBadData);
}

}  // namespace

Command label_command() {
  return command<Options>(
      {.name = "label",
       .summary = "what a package thinks of rows, as the teacher of another run",
       .about =
           "Writes what a package thinks of each row, as teacher labels (data.teachers) of another run."},
      run);
}

}  // namespace preferd::training
