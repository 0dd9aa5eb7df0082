// trainer label: a package answers the rows of files, as the teacher of another run.
#include <cstdio>
#include <thread>

#include "training/commands/arguments.h"
#include "training/commands/choice.h"
#include "training/commands/terminal.h"
#include "training/run/label.h"

namespace preferd::training {
namespace {

Result<std::unique_ptr<TrainableModel>> open_model(const std::string& package,
                                                   const TrainableOptions& placement) {
  const auto files = open_directory(package);
  if (!files) return files.error();
  auto encoder = scorer::PairEncoder::open(*files);
  if (!encoder) return encoder.error();
  return TrainableModel::load(*encoder, placement);
}

}  // namespace

int label_command(const Arguments& arguments) {
  LabelOptions options;
  TrainableOptions placement{.method = Method::kHead};
  std::string package;
  bool swap = false, embeddings = false, quiet = false;
  options.threads = placement.threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  CLI::App app("Writes what a package thinks of each row, as teacher labels (data.teachers) of another run.",
               "trainer label");
  app.add_option("--package", package, "package directory of the teacher")->required()->type_name("DIR");
  app.add_option("--input", options.inputs, "files of pairs; labels are not needed")
      ->required()
      ->type_name("FILE");
  app.add_option("--output", options.output, "JSON Lines; goes on where it stopped")
      ->required()
      ->type_name("FILE");
  app.add_flag("--swap", swap, "mean of both orders of a pair");
  app.add_flag("--embeddings", embeddings, "write the pooled states too");
  app.add_option("--batch-tokens", options.batch_tokens, "tokens of one forward")
      ->check(CLI::Range(1, 1 << 26))
      ->capture_default_str();
  app.add_option("--threads", placement.threads, "threads that compute")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  add_choice(app, "--device", placement.device, {{"cpu", Device::kCpu}, {"cuda", Device::kCuda}},
             "where it computes");
  add_choice(app, "--precision", placement.precision,
             {{"fp32", Precision::kFp32}, {"bf16", Precision::kBf16}},
             "of its arithmetic; bf16 on cuda only");
  app.add_flag("--quiet", quiet, "errors only");
  if (const auto ended = parse_arguments(app, arguments)) return *ended;
  options.orders = swap ? LabelOrders::kBoth : LabelOrders::kGiven;
  options.embeddings = embeddings ? Embeddings::kWrite : Embeddings::kNone;
  auto model = open_model(package, placement);
  if (!model) return report(model.error(), kFailed);
  if (swap && package::traits((*model)->output()).scores_each_response())
    return report(invalid("flag --swap means nothing for a difference head, whose orders are mirrors"),
                  kBadUsage);
  Terminal terminal(quiet ? Verbosity::kQuiet : Verbosity::kNormal);
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

}  // namespace preferd::training
