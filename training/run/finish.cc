#include "training/run/finish.h"

#include <cmath>

#include "base/atomic_file.h"
#include "model/scorer/load.h"
#include "training/config/load.h"
#include "training/evaluation/metrics.h"
#include "training/report/run_report.h"
#include "training/run/curves.h"
#include "training/run/facts.h"
#include "training/run/golden_pairs.h"
#include "training/run/predictions.h"
#include "training/run/score_examples.h"

namespace preferd::training {
namespace {

// Four digits: the value that people read in package.json is the value that is served.
double rounded(double temperature) { return std::round(temperature * 1e4) / 1e4; }

std::string trained_text(const TrainConfig& config, int threads) {
  return std::string(word_of(config.precision)) + " on " + word_of(config.device) + ", " +
         std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

Facts facts_of(const TrainConfig& config, const Prepared& prepared, const scorer::ScorerInfo& info,
               int threads, const Curves& curves) {
  Facts facts = {
      {"package", package_text(info)},
      {"training files", files_text(config.data.train)},
      {"rows", counts_text(prepared.data->counts()) + "; " + std::to_string(prepared.train->size()) +
                   " to train on, " + std::to_string(prepared.valid_store->size()) + " to validate"},
      {"trained in", trained_text(config, threads)},
      {"evaluated in", compute_text(info, threads)},
      {"time of the steps",
       duration_text(curves.seconds) + ", " + std::to_string(curves.tokens) + " tokens"}};
  if (!config.data.valid.empty())
    facts.insert(facts.begin() + 2, {"validation files", files_text(config.data.valid)});
  return facts;
}

}  // namespace

Result<RunSummary> finish(const TrainInputs& in, const RunDirectory& run, const Prepared& prepared,
                          int threads) {
  const TrainConfig& config = in.config;
  const TrainEvents& events = in.events;
  const auto at = [&](const char* phase, double share) {
    if (events.progress) events.progress(phase, share);
  };
  at("loading best/", 0);
  const std::string best = run.path("best");
  const auto files = open_directory(best);
  if (!files) return files.error();
  auto scorer = scorer::load_scorer(
      *files, {.threads = threads, .compute = scorer::ComputeType::kFp32, .golden = scorer::Golden::kSkip});
  if (!scorer) return scorer.error();
  const EncodedStore& store = *prepared.valid_store;
  const auto scored =
      score_examples(**scorer, *prepared.data, store,
                     {.progress = [&](double share) { at("scoring the validation rows", share); },
                      .cancelled = [&] { return in.interrupted.load(); }});
  if (!scored) return scored.error();
  at("calibrating", 0);
  const package::Output output = prepared.encoder->manifest().output();
  const auto calibration = calibrate(prepared.classes, *prepared.data, store, *scored);
  if (!calibration) return calibration.error();
  if (calibration->bound != Bound::kNone && events.note)
    events.note("calibration: the best temperature is at the bound " +
                std::to_string(calibration->temperature));
  Finish end{.temperature = rounded(calibration->temperature)};
  auto golden = golden_text(*prepared.data, store, *scored, static_cast<std::size_t>(config.watch.golden));
  if (!golden) return golden.error();
  end.golden = std::move(*golden);
  if (const Status s = finish_package(best, prepared.form, end); !s) return s.error();
  at("measuring", 0);

  const VerdictForm form{output, static_cast<float>(end.temperature), prepared.classes};
  const auto evaluated = make_predictions(form, *prepared.data, store, *scored);
  if (!evaluated) return evaluated.error();
  const Metrics metrics = evaluate(evaluated->predictions, evaluated->features, {});
  if (const Status s =
          write_file_atomically(run.path("predictions.jsonl"), predictions_text(*evaluated, *scored));
      !s)
    return s.error();
  if (const Status s = write_file_atomically(run.path("evaluation.json"), metrics_json(metrics)); !s)
    return s.error();
  const auto curves = read_curves(run.path("metrics.jsonl"));
  if (!curves) return curves.error();
  const RunReport report{
      .evaluation = {.name = (*scorer)->info().name,
                     .subtitle = "Training run " + config.output,
                     .facts = facts_of(config, prepared, (*scorer)->info(), threads, *curves),
                     .metrics = metrics,
                     .predictions = evaluated->predictions,
                     .calibration = *calibration},
      .config = to_toml(config),
      .train = curves->train,
      .validation = curves->validation,
      .best_step = curves->best_step};
  const std::string page = run.path("report.html");
  if (const Status s = write_file_atomically(page, run_html(report)); !s) return s.error();
  return RunSummary{.rows = metrics.rows,
                    .accuracy = metrics.measures[kAccuracy].value,
                    .log_loss = metrics.measures[kLogLoss].value,
                    .longer_wins = metrics.baselines.front().accuracy.value,
                    .report = page};
}

}  // namespace preferd::training
