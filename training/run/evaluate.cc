#include "training/run/evaluate.h"

#include "base/json.h"
#include "base/parallel.h"
#include "training/report/run_report.h"
#include "training/run/composite_text.h"
#include "training/run/facts.h"

namespace preferd::training {
namespace {

DataOptions data_options(const EvaluateOptions& options, int classes) {
  DataOptions out;
  out.valid = options.inputs;
  out.classes = classes;
  out.other_sources.ties = out.valid_ties = options.ties;
  out.other_sources.labels = options.labels;
  out.duplicates = Duplicates::kKeep;
  out.bad_rows = BadRows::kSkip;
  return out;
}

DataEvents data_events(const EvaluateEvents& events, const char* phase) {
  DataEvents out;
  out.bad_row = events.bad_row;
  if (events.progress) out.progress = [&events, phase](double share) { events.progress(phase, share); };
  return out;
}

// How the package reads rows, and how its logits must be interpreted.
struct Reading {
  std::shared_ptr<const scorer::PairEncoder> encoder;  // for a package; `text` borrows it
  TextSide text;
  VerdictForm form;
};

Result<Reading> reading_of(const std::shared_ptr<const Files>& package, const scorer::Scorer& scorer) {
  const scorer::ScorerInfo& info = scorer.info();
  Reading out;
  if (info.kind != "package") {
    auto text = composite_text(package, scorer);
    if (!text) return text.error();
    out.text = std::move(*text);
    out.form = {info.classes == 3 ? package::Output::kSoftmaxAbt : package::Output::kSoftmaxAb, 1,
                info.classes};
    return out;
  }
  auto encoder = scorer::PairEncoder::open(package);
  if (!encoder) return encoder.error();
  out.encoder = std::move(*encoder);
  auto text = text_side(*out.encoder);
  if (!text) return text.error();
  out.text = std::move(*text);
  const package::Manifest& manifest = out.encoder->manifest();
  out.form = {manifest.output(), static_cast<float>(manifest.temperature), info.classes};
  return out;
}

}  // namespace

Result<Evaluation> evaluate_package(const std::shared_ptr<const Files>& package,
                                    const EvaluateOptions& options, const EvaluateEvents& events) {
  if (events.progress) events.progress("loading the package", 0);
  auto scorer = scorer::load_scorer(package, {.threads = options.threads,
                                              .compute = options.compute,
                                              .devices = options.devices,
                                              .residency = options.residency});
  if (!scorer) return scorer.error();
  Evaluation out;
  out.package = (*scorer)->info();
  out.files = options.inputs;
  out.threads = options.threads;
  const auto data = Dataset::open(data_options(options, out.package.classes), options.work_folder,
                                  data_events(events, "reading"));
  if (!data) return data.error();
  const auto reading = reading_of(package, **scorer);
  if (!reading) return reading.error();
  ThreadPool pool(options.threads);
  const StoreOptions kept{.folder = options.work_folder, .orders = Orders::kBoth, .bad_rows = BadRows::kSkip};
  const auto store = EncodedStore::open(**data, (*data)->valid(), reading->text, kept, pool,
                                        data_events(events, "encoding"));
  if (!store) return store.error();
  out.counts = (*data)->counts();
  out.bad = out.counts.bad + (*store)->bad_count();
  if ((*store)->size() == 0) return invalid("none of the rows could be encoded", kDataFault);

  auto scored = score_examples(**scorer, **data, **store,
                               {.progress =
                                    [&](double share) {
                                      if (events.progress) events.progress("scoring", share);
                                    },
                                .cancelled = {}});
  if (!scored) return scored.error();
  out.scored = std::move(*scored);
  auto rows = make_predictions(reading->form, **data, **store, out.scored);
  if (!rows) return rows.error();
  out.rows = std::move(*rows);
  if (events.progress) events.progress("measuring", 0);
  out.metrics = evaluate(out.rows.predictions, out.rows.features, options.resampling);
  return out;
}

std::string evaluation_json(const Evaluation& e) {
  Json json = Json::parse(metrics_json(e.metrics));
  json["package"] = {{"name", e.package.name},       {"revision", e.package.revision},
                     {"digest", e.package.digest},   {"output", e.package.output},
                     {"compute", e.package.compute}, {"quantization", e.package.quantization}};
  json["data"] = {
      {"files", e.files}, {"rows", e.counts.rows}, {"bad", e.bad}, {"ties_dropped", e.counts.ties_dropped}};
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string evaluation_page(const Evaluation& e) {
  DataCounts counts = e.counts;
  counts.bad = e.bad;
  return evaluation_html({.name = e.package.name,
                          .subtitle = "The package's answers for rows with human votes",
                          .facts = {{"package", package_text(e.package)},
                                    {"files", files_text(e.files)},
                                    {"rows", counts_text(counts)},
                                    {"compute", compute_text(e.package, e.threads)}},
                          .metrics = e.metrics,
                          .predictions = e.rows.predictions,
                          .calibration = {}});
}

}  // namespace preferd::training
