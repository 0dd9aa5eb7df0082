// trainer evaluate: how good a package is on rows with human votes.
#include <cstdio>
#include <filesystem>

#include "base/atomic_file.h"
#include "training/commands/commands.h"
#include "training/commands/scratch_folder.h"
#include "training/commands/terminal.h"
#include "training/report/text.h"
#include "training/run/evaluate.h"
#include "training/run/facts.h"

namespace preferd::training {
namespace {

struct Options {
  std::string package, output, device = "cpu";
  EvaluateOptions evaluate;
  bool quiet = false;

  Options() { evaluate.threads = all_cores(); }
};

Status write_reports(const Evaluation& e, const Options& options) {
  const auto write = [&](const char* name, const std::string& text) {
    return write_file_atomically(options.output + "/" + name, text);
  };
  if (const Status s = write("evaluation.json", evaluation_json(e)); !s) return s;
  if (const Status s = write("predictions.jsonl", predictions_text(e.rows, e.scored)); !s) return s;
  return write("evaluation.html", evaluation_page(e));
}

void describe(Schema& s, Options& o) {
  EvaluateOptions& e = o.evaluate;
  s.text("package", o.package, "package directory, or a published model's; without it the embedded default");
  s.texts("input", e.inputs, "files of pairs with labels: .jsonl, .csv, with or without .gz",
          {.required = true});
  s.text("output", o.output,
         "folder for evaluation.json, predictions.jsonl, evaluation.html, and work/ with rows and tokens for "
         "another time");
  s.choice("ties", e.ties,
           "rows that nobody won: keep needs three classes; half counts half for each response; auto keeps "
           "them with three classes and drops them with two");
  s.choice("labels", e.labels, "which label is read where a row could have several",
           {Labels::kAuto, Labels::kWinner, Labels::kOneHot, Labels::kSoft});
  s.integer("draws", e.resampling.draws, 0, 1000000, "of the bootstrap; 0 gives no intervals");
  s.choice("compute", e.compute, "arithmetic of the model");
  s.text("device", o.device, "cpu, cuda (the first GPU), cuda:N, several as cuda:0,cuda:1, or cuda:all");
  s.choice("residency", e.residency,
           "weights in a GPU's memory: packed as stored, dense bf16 (auto, where it fits), or fp8");
  s.integer("threads", e.threads, 1, 1024, "threads that compute");
  s.toggle("quiet", o.quiet, "figures and errors only");
}

int run(Options& options, const Loaded&) {
  auto devices = scorer::parse_devices(options.device);
  if (!devices) return report(devices.error(), kBadUsage);
  options.evaluate.devices = std::move(*devices);
  auto package = open_judge(options.package);
  if (!package) return report(package.error(), kFailed);
  std::optional<ScratchFolder> scratch;
  if (options.output.empty()) {
    auto folder = ScratchFolder::create();
    if (!folder) return report(folder.error(), kFailed);
    scratch.emplace(std::move(*folder));
    options.evaluate.work_folder = scratch->path();
  } else {
    std::error_code ec;
    std::filesystem::create_directories(options.output, ec);
    if (ec)
      return report(invalid("flag --output " + options.output + ": cannot be made: " + ec.message()),
                    kFailed);
    options.evaluate.work_folder = options.output + "/work";
  }
  Terminal terminal(options.quiet ? Verbosity::kQuiet : Verbosity::kNormal);
  const auto found = evaluate_package(
      *package, options.evaluate,
      {.progress = [&](const std::string& phase, double share) { terminal.progress(phase, share); },
       .bad_row = [&](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }});
  if (!found) return report(found.error(), kFailed);
  terminal.clear();
  std::printf("%s\n%s\n%s\n\n%s", package_text(found->package).c_str(), counts_text(found->counts).c_str(),
              compute_text(found->package, found->threads).c_str(), evaluation_text(found->metrics).c_str());
  if (!options.output.empty())
    if (const Status s = write_reports(*found, options); !s) return report(s.error(), kFailed);
  if (found->bad == 0) return kDone;
  return report(invalid(std::to_string(found->bad) + " rows were bad and are not part of the figures"),
                kBadData);
}

}  // namespace

Command evaluate_command() {
  return command<Options>({.name = "evaluate",
                           .summary = "how good a package is on rows with human votes",
                           .about = "Scores rows with human votes by the engine that serves, and prints "
                                    "accuracy, log-loss, Brier score,\n"
                                    "calibration error and AUC with bootstrap intervals, by source, language "
                                    "and length, beside what can\n"
                                    "be had without a model."},
                          run);
}

}  // namespace preferd::training
